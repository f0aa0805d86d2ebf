// What other features may use of schedules; everything else in this folder is its own.
export { default as BootReportBanner } from './BootReportBanner.vue'
export { useBootReport } from './bootReport'
