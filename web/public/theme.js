// Sets the colour mode before anything is painted. `src/composables/useColourMode.ts` takes over from here;
// the key and the classes are the same in both.
;(function () {
  var mode = 'system'
  try {
    mode = localStorage.getItem('kumo.colour-mode') || 'system'
  } catch {
    // Storage may be forbidden; the system's own mode is then the best guess.
  }
  var dark = mode === 'dark' || (mode !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.classList.add(dark ? 'dark' : 'light')
})()
