// What other features may use of tasks; everything else in this folder is its own.
export { usePolicyWords } from './policyWords'
export { default as RunWithDialog } from './RunWithDialog.vue'
export { loadTask, runTask, type Limits, type Task } from './taskApi'
export { default as TaskSelect } from './TaskSelect.vue'
export { default as TriggerWords } from './TriggerWords.vue'
