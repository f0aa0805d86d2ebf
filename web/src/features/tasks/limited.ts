/** Let at most so many go on at once; the others wait for their turn. */
export function limited(most: number): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let going = 0
  const waiting: (() => void)[] = []

  return async (work) => {
    if (going >= most) await new Promise<void>((turn) => waiting.push(turn))
    else going += 1
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      // The place goes on to who waits, so that nobody slips in between.
      if (next) next()
      else going -= 1
    }
  }
}
