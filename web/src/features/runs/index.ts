// What other features may use of runs; everything else in this folder is its own.
export { logNumberOf } from './logNumber'
export { default as RunLog } from './RunLog.vue'
export { default as RunStatus } from './RunStatus.vue'
export { default as RunTable } from './RunTable.vue'
export { useRun } from './useRun'
export { isOpen, useRunWords, type Run } from './runState'
