import './ui/theme.css'
import { VueQueryPlugin } from '@tanstack/vue-query'
import { createApp } from 'vue'

import App from './App.vue'
import { queryClient } from './composables/queryClient'
import { startColourMode } from './composables/useColourMode'
import { i18n, preferredLanguage, setLanguage } from './locales'
import { router } from './router'
import { useBundledIcons } from './ui/icons'

useBundledIcons()
startColourMode()
await setLanguage(preferredLanguage())

createApp(App).use(i18n).use(VueQueryPlugin, { queryClient }).use(router).mount('#app')
