// What other features may use of tasks; everything else in this folder is its own.
export { usePolicyWords } from './policyWords'
export { default as RunWithDialog } from './RunWithDialog.vue'
export { default as TaskSelect } from './TaskSelect.vue'
export { runTask, type Limits, type Task } from './taskApi'
