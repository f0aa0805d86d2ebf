// What other features may use of tasks as code; everything else in this folder is its own.
export { default as DeclarationTab } from './DeclarationTab.vue'
export { default as DeclaredMark } from './DeclaredMark.vue'
export { default as TaskDrift } from './TaskDrift.vue'
