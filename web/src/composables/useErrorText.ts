import { useI18n } from 'vue-i18n'

import { ApiError, NetworkError } from '@/api'

export interface ErrorText {
  title: string
  message: string
  requestId: string
}

/** Words for whatever was thrown: a title in the person's language, and the server's own sentence. */
export function useErrorText() {
  const { t, te } = useI18n()

  return function errorText(error: unknown): ErrorText {
    if (error instanceof NetworkError) {
      return { title: t('error.code.network'), message: t('error.networkHint'), requestId: '' }
    }
    if (error instanceof ApiError) {
      const key = `error.code.${error.code}`
      const isDefect = error.status >= 500
      return {
        title: te(key) ? t(key) : t('error.code.unknown'),
        message: error.message,
        requestId: isDefect ? error.requestId : '',
      }
    }
    return { title: t('error.code.unknown'), message: error instanceof Error ? error.message : String(error), requestId: '' }
  }
}
