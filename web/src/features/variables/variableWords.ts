import { useI18n } from 'vue-i18n'

import type { Variable, VariableScope } from './variables'

/** What is said of variables in more than one place. */
export function useVariableWords() {
  const { t } = useI18n()

  const scopes: Record<VariableScope, () => string> = {
    global: () => t('variables.scope.global'),
    project: () => t('variables.scope.project'),
    task: () => t('variables.scope.task'),
  }
  const whose: Record<VariableScope, (of: string) => string> = {
    global: () => t('variables.delete.whose.global'),
    project: (of) => t('variables.delete.whose.project', { of }),
    task: (of) => t('variables.delete.whose.task', { of }),
  }

  /** What a wider scope says under the same name, and no run is given that is given this one. */
  function hides({ hides }: Variable): string | undefined {
    const [narrowest] = hides
    if (narrowest === undefined) return undefined
    if (hides.length > 1) return t('variables.hides.both')
    return narrowest === 'project' ? t('variables.hides.project') : t('variables.hides.global')
  }

  /** Which runs a deletion concerns, and what they are given then. */
  function deletion(variable: Variable): string {
    const [next] = variable.hides
    const instead = { global: () => t('variables.delete.then.global'), project: () => t('variables.delete.then.project'), task: () => '' }
    return t('variables.delete.text', {
      whose: whose[variable.scope](variable.scope_name ?? ''),
      then: next === undefined ? t('variables.delete.then.none') : instead[next](),
    })
  }

  return { scopeWord: (scope: VariableScope) => scopes[scope](), hides, deletion }
}
