export { default as UserMenu } from './UserMenu.vue'
export { forgetSession, isSetupNeeded, loadMe, useMe, type Me } from './session'
export { useMay } from './useMay'
