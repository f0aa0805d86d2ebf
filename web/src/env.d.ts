/// <reference types="vite/client" />

declare module 'virtual:nuxt-ui-icons' {
  import type { IconifyIcon } from '@iconify/vue'

  export function init(add: (name: string, icon: IconifyIcon) => void): void
}

declare module '@nuxt/ui/runtime/locale/*.js' {
  import type { Locale, Messages } from '@nuxt/ui'

  const locale: Locale<Messages>
  export default locale
}
