import { fileURLToPath } from 'node:url'

import ui from '@nuxt/ui/vite'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [
    vue(),
    ui({
      // Imported by name where they are used: a reader and the type checker see where each comes from.
      components: false,
      autoImport: false,
      // Ours, in useColourMode.ts and public/theme.js.
      colorMode: false,
      // Every `i-lucide-…` named anywhere under src, also in scripts, is put into the bundle; nothing is fetched.
      icon: { clientBundle: { scan: { globInclude: ['src/**/*.{vue,ts}'] }, sizeLimitKb: 64 } },
      experimental: { componentDetection: true },
      ui: {
        button: {
          slots: { base: 'cursor-pointer' },
          variants: { size: { md: { leadingIcon: 'size-4', trailingIcon: 'size-4' } } },
        },
        formField: { slots: { label: 'font-medium text-toned' } },
        card: { slots: { root: 'rounded-lg', header: 'px-4 py-3 sm:px-4', body: 'p-4 sm:p-4', footer: 'px-4 py-3 sm:px-4' } },
      },
    }),
  ],
  resolve: { alias: { '@': fileURLToPath(new URL('src', import.meta.url)) } },
  define: { __VUE_I18N_LEGACY_API__: false, __VUE_I18N_FULL_INSTALL__: false, __INTLIFY_PROD_DEVTOOLS__: false },
  server: { proxy: { '/api': 'http://127.0.0.1:8000' } },
  // The largest is ECharts, which a page loads once it has a curve to show.
  // How long each plugin took says more of the machine than of the sources.
  build: { target: 'es2022', chunkSizeWarningLimit: 600, rolldownOptions: { checks: { pluginTimings: false, bundlerTimings: false } } },
  test: { environment: 'happy-dom', include: ['src/**/*.spec.ts'], setupFiles: ['src/testing/setup.ts'], testTimeout: 30_000 },
})
