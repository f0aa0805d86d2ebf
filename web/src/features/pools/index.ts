// What other features may use of pools; everything else in this folder is its own.
export { default as PoolDialog } from './PoolDialog.vue'
export { poolOptionsQuery, type Pool } from './pools'
