import { readonly, shallowRef } from 'vue'

export interface ConfirmQuestion {
  title: string
  description?: string
  /** The verb on the button: "Delete", not "OK". */
  confirmLabel: string
  /** Destructive questions are red, and the safe answer has the focus. */
  destructive?: boolean
  /** The person must type this first; for what cannot be undone. */
  typeToConfirm?: string
}

interface Asked extends ConfirmQuestion {
  answer: (yes: boolean) => void
}

const asked = shallowRef<Asked | null>(null)

/** The question on the screen, for the one dialog in App.vue. */
export const openQuestion = readonly(asked)

/** Ask before something that cannot be taken back: `if (!(await confirm({ … }))) return`. */
export function useConfirm() {
  return function confirm(question: ConfirmQuestion): Promise<boolean> {
    asked.value?.answer(false)
    return new Promise((resolve) => {
      asked.value = {
        ...question,
        answer(yes) {
          asked.value = null
          resolve(yes)
        },
      }
    })
  }
}
