import { useI18n } from 'vue-i18n'

import type { Environment } from './environments'

/** The Python of an environment in words: the one that it has, else the one that is asked for. */
export function usePythonWords() {
  const { t } = useI18n()
  return ({ active_build: active, python, backend }: Environment): string =>
    active?.python_version ?? python ?? (backend === 'conda' ? t('environments.pythonOfConda') : t('environments.defaultPython'))
}
