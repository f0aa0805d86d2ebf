import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import lucide from '@iconify-json/lucide/icons.json'
import { describe, expect, it } from 'vitest'

import en from './en.json'
import zhCN from './zh-CN.json'
import { preferredLanguage } from './index'

function flatten(node: object, prefix = ''): Map<string, string> {
  const found = new Map<string, string>()
  for (const [key, value] of Object.entries(node) as [string, unknown][]) {
    const path = prefix ? `${prefix}.${key}` : key
    if (typeof value === 'object' && value !== null) for (const entry of flatten(value, path)) found.set(...entry)
    else found.set(path, String(value))
  }
  return found
}

const english = flatten(en)
const chinese = flatten(zhCN)
const placeholders = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort()

describe('the two languages', () => {
  it('have the same keys', () => {
    expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort())
  })

  it('say something for every key', () => {
    expect([...english, ...chinese].filter(([, text]) => text.trim() === '')).toEqual([])
  })

  it('have the same placeholders', () => {
    const different = [...english].filter(([key, text]) => placeholders(text).join() !== placeholders(chinese.get(key) ?? '').join())
    expect(different).toEqual([])
  })
})

describe('the preferred language', () => {
  it("is the first of the browser's that there is", () => {
    expect(preferredLanguage(['fr-FR', 'zh-TW', 'en'])).toBe('zh-CN')
    expect(preferredLanguage(['en-GB', 'zh-CN'])).toBe('en')
    expect(preferredLanguage(['fr'])).toBe('en')
  })

  it('is the one chosen before', () => {
    localStorage.setItem('kumo.language', 'zh-CN')
    expect(preferredLanguage(['en'])).toBe('zh-CN')
  })
})

it('names only icons that exist, as a missing one is not fetched from anywhere', () => {
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => /(?<!\.spec)\.(vue|ts)$/.test(file))
  const names = sources.flatMap((file) => [...readFileSync(join('src', file), 'utf8').matchAll(/i-lucide-([a-z0-9-]+)/g)].map((match) => match[1] ?? ''))
  const known = new Set([...Object.keys(lucide.icons), ...Object.keys(lucide.aliases)])
  expect(names.length).toBeGreaterThan(10)
  expect([...new Set(names)].filter((name) => !known.has(name))).toEqual([])
})
