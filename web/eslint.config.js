import { readdirSync } from 'node:fs'

import js from '@eslint/js'
import vueI18n from '@intlify/eslint-plugin-vue-i18n'
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript'
import importX from 'eslint-plugin-import-x'
import vue from 'eslint-plugin-vue'
import tseslint from 'typescript-eslint'

const features = readdirSync(new URL('src/features', import.meta.url))

// What may import what: ui → ui; api → api; composables → api;
// a feature → ui, composables, api and the index.ts of another feature.
const zones = [
  { target: './src/ui', from: './src', except: ['./ui'] },
  { target: './src/api', from: './src', except: ['./api'] },
  { target: './src/composables', from: './src', except: ['./composables', './api'] },
  ...features.map((feature) => ({
    target: `./src/features/${feature}`,
    from: './src/features',
    except: [`./${feature}`, ...features.map((other) => `./${other}/index.ts`)],
  })),
  ...features.map((feature) => ({ target: `./src/features/${feature}`, from: './src/shell' })),
]

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'src/api/schema.d.ts', '*.json'] },
  { settings: { 'vue-i18n': { localeDir: './src/locales/*.json', messageSyntaxVersion: '^11.0.0' } } },
  js.configs.recommended,
  ...tseslint.configs.strict,
  ...vue.configs['flat/recommended'],
  ...vueI18n.configs.recommended,
  {
    files: ['**/*.{ts,vue}'],
    languageOptions: { parserOptions: { parser: tseslint.parser, sourceType: 'module' } },
    plugins: { 'import-x': importX },
    settings: {
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'], 'vue-eslint-parser': ['.vue'] },
      'import-x/resolver-next': [createTypeScriptImportResolver({ project: import.meta.dirname })],
    },
    rules: {
      'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones }],
      'import-x/no-cycle': 'error',
      'import-x/order': [
        'error',
        {
          groups: ['builtin', 'external', 'internal', 'parent', 'sibling'],
          pathGroups: [{ pattern: '@/**', group: 'internal' }],
          'newlines-between': 'ignore',
          alphabetize: { order: 'asc', caseInsensitive: true },
        },
      ],
      'import-x/no-duplicates': 'error',
      '@intlify/vue-i18n/no-raw-text': [
        'error',
        {
          ignorePattern: '^[-–#:()&/·…→|.,%+×\\s]+$',
          ignoreText: ['Kumo'],
          attributes: { '/.+/': ['title', 'label', 'placeholder', 'aria-label', 'alt', 'description'] },
        },
      ],
      '@intlify/vue-i18n/no-missing-keys': 'error',
      '@intlify/vue-i18n/no-missing-keys-in-other-locales': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      'vue/block-lang': ['error', { script: { lang: 'ts' } }],
      'vue/component-api-style': ['error', ['script-setup']],
      'vue/define-macros-order': ['error', { order: ['defineProps', 'defineEmits'] }],
      'vue/no-undef-components': ['error', { ignorePatterns: ['^Router(Link|View)$', '^I18nT$'] }],
      'vue/no-v-html': 'error',
      'vue/require-default-prop': 'off',
      // Line breaks are the formatter's business; two opinions about them only make noise.
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/html-self-closing': ['error', { html: { void: 'always' } }],
      'vue/multi-word-component-names': 'off',
      'no-undef': 'off',
    },
  },
  // Tests use src/testing, which stands on everything.
  { files: ['**/*.spec.ts', 'src/testing/**'], rules: { 'import-x/no-restricted-paths': 'off' } },
  { files: ['**/*.vue'], rules: { 'no-unused-vars': 'off' } },
  {
    files: ['public/theme.js'],
    languageOptions: { sourceType: 'script', globals: { localStorage: 'readonly', matchMedia: 'readonly', document: 'readonly' } },
    rules: { 'no-var': 'off' },
  },
  { files: ['*.config.js'], languageOptions: { globals: { URL: 'readonly' } } },
)
