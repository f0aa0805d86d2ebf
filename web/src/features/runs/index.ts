// What other features may use of runs; everything else in this folder is its own.
export { default as RunStatus } from './RunStatus.vue'
export { default as RunTable } from './RunTable.vue'
export { isOpen, useRunWords, type Run } from './runState'
