import { expect, it } from 'vitest'

import { limited } from './limited'

it('lets only so many go on at once, and all of them come to their turn', async () => {
  const inTurn = limited(2)
  const finish: (() => void)[] = []
  let going = 0
  let most = 0
  const works = [1, 2, 3, 4, 5].map((number) =>
    inTurn(async () => {
      going += 1
      most = Math.max(most, going)
      await new Promise<void>((done) => finish.push(done))
      going -= 1
      if (number === 2) throw new Error('two')
      return number
    }),
  )
  const settled = Promise.allSettled(works)
  for (let index = 0; index < works.length; index += 1) {
    await expect.poll(() => finish.length).toBeGreaterThan(index)
    finish[index]?.()
  }
  expect((await settled).map((result) => (result.status === 'fulfilled' ? result.value : 'failed'))).toEqual([1, 'failed', 3, 4, 5])
  expect(most).toBe(2)
})
