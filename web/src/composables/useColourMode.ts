import { computed, ref, watchEffect } from 'vue'

export const COLOUR_MODES = ['light', 'dark', 'system'] as const
export type ColourMode = (typeof COLOUR_MODES)[number]

// The same key as in public/theme.js, which paints the first frame.
const STORAGE_KEY = 'kumo.colour-mode'

function stored(): ColourMode {
  try {
    const value = localStorage.getItem(STORAGE_KEY)
    return COLOUR_MODES.find((mode) => mode === value) ?? 'system'
  } catch {
    return 'system'
  }
}

const mode = ref<ColourMode>(stored())
const systemIsDark = ref(false)
const isDark = computed(() => mode.value === 'dark' || (mode.value === 'system' && systemIsDark.value))

/** Follow the person's choice and the system's; called once, by main.ts. */
export function startColourMode(): void {
  const query = matchMedia('(prefers-color-scheme: dark)')
  systemIsDark.value = query.matches
  query.addEventListener('change', (event) => (systemIsDark.value = event.matches))
  watchEffect(() => {
    document.documentElement.classList.toggle('dark', isDark.value)
    document.documentElement.classList.toggle('light', !isDark.value)
  })
}

export function useColourMode() {
  function choose(next: ColourMode): void {
    mode.value = next
    try {
      localStorage.setItem(STORAGE_KEY, next)
    } catch {
      // Then the choice holds until the page is closed.
    }
  }

  return { mode: computed(() => mode.value), isDark, choose }
}
