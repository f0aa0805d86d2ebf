// What other features may use of tasks; everything else in this folder is its own.
export { runTask, type Task } from './taskApi'
