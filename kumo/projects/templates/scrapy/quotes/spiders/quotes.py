"""Follows a list of quotes page by page: a site that is made for trying."""

import scrapy


class QuotesSpider(scrapy.Spider):
    name = "quotes"
    start_urls = ["https://quotes.toscrape.com/"]

    def parse(self, response):
        for quote in response.css("div.quote"):
            yield {"text": quote.css("span.text::text").get(), "author": quote.css("small.author::text").get()}
        following = response.css("li.next a::attr(href)").get()
        if following is not None:
            yield response.follow(following, self.parse)
