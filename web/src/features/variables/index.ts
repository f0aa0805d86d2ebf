// What other features may use of variables; everything else in this folder is its own.
export { default as EffectiveVariables } from './EffectiveVariables.vue'
