import type { StatusTone } from '@/ui/status'
import type { Build, Environment } from './environments'

export type BuildState = Build['state']

export const BUILD_TONES: Record<BuildState, StatusTone> = {
  queued: 'waiting',
  building: 'active',
  ready: 'success',
  failed: 'error',
  cancelled: 'neutral',
  collected: 'neutral',
}

export function isUnderWay(build: Build | null): boolean {
  return build?.state === 'queued' || build?.state === 'building'
}

/** The build that tells how an environment is: the latest one, which may have failed while runs still use the one before. */
export function tellingBuild(environment: Environment): Build | null {
  return environment.latest_build ?? environment.active_build
}
