// What other features may use of environments; everything else in this folder is its own.
export { default as BuildBadge } from './BuildBadge.vue'
export type { Build, Environment } from './environments'
