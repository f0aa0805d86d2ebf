import { createI18n } from 'vue-i18n'

export const LANGUAGES = ['en', 'zh-CN'] as const
export type Language = (typeof LANGUAGES)[number]

/** Each language's name in itself, so that it is found by who cannot read the others. */
export const LANGUAGE_NAMES: Record<Language, string> = { en: 'English', 'zh-CN': '中文' }

const STORAGE_KEY = 'kumo.language'

// Only the language in use is loaded. Each of them stands alone; there is no falling back to English (a test keeps the
// keys equal), so a second language is never fetched for nothing.
const messagesOf = {
  en: () => import('./en.json'),
  'zh-CN': () => import('./zh-CN.json'),
} as const

export const i18n = createI18n({ legacy: false, locale: 'en', missingWarn: true, messages: {} })

/** The language chosen before, or else the first of the browser's that we have, or else English. */
export function preferredLanguage(browser: readonly string[] = navigator.languages): Language {
  const stored = readStored()
  if (stored) return stored
  for (const tag of browser) {
    if (tag.toLowerCase().startsWith('zh')) return 'zh-CN'
    if (tag.toLowerCase().startsWith('en')) return 'en'
  }
  return 'en'
}

export async function setLanguage(language: Language): Promise<void> {
  if (!i18n.global.availableLocales.includes(language)) {
    const messages = await messagesOf[language]()
    i18n.global.setLocaleMessage(language, messages.default)
  }
  i18n.global.locale.value = language
  document.documentElement.lang = language
}

/** As setLanguage, and kept for the next visit. */
export async function chooseLanguage(language: Language): Promise<void> {
  await setLanguage(language)
  try {
    localStorage.setItem(STORAGE_KEY, language)
  } catch {
    // Then the choice holds until the page is closed.
  }
}

function readStored(): Language | undefined {
  try {
    return LANGUAGES.find((language) => language === localStorage.getItem(STORAGE_KEY))
  } catch {
    return undefined
  }
}
