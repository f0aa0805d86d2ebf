import { flushPromises } from '@vue/test-utils'
import { describe, expect, it, vi } from 'vitest'

import { makeDetection, makeEnvironment, makeList, makeMe, makePool, makeProject, makeRun, makeSlot, makeSlotSummary, makeTask } from '@/testing/factories'
import { mountPage } from '@/testing/mountPage'
import { errorAnswer, fakeServer, type Handler } from '@/testing/server'
import TaskFormPage from './TaskFormPage.vue'
import TaskListPage from './TaskListPage.vue'
import TaskPage from './TaskPage.vue'

const MOMENT = { due_at: '2027-01-06T01:30:00.000Z', local: '2027-01-06T02:30:00+01:00', change: null, note: null, is_blacked_out: false }
const PREVIEW = { next: [MOMENT.due_at], moments: [MOMENT], left_out: [], description: 'At 2:30 each day', warnings: ['The clocks change on that day.'] }
const LEDGER = {
  ...makeList(
    makeSlot(),
    makeSlot({
      id: 2,
      first_due_at: '2026-01-01T01:30:00Z',
      count: 5,
      outcome: 'skipped',
      reason: 'missed',
      run_id: null,
      down: [{ from: '2026-01-01T01:00:00Z', to: '2026-01-05T01:31:00Z' }],
    }),
    makeSlot({ id: 3, outcome: 'skipped', reason: 'overlap', run_id: null }),
  ),
  summary: makeSlotSummary({
    expected: 288,
    ran: 280,
    skipped: { overlap: 3, missed: 5 },
    cadence: { configured_seconds: 20, real_seconds: 60, warning: 'It is due every 20 seconds, but its runs began every 60 seconds.' },
    sentence: 'expected 288, ran 280, 3 skipped: overlap, 5 missed: server down',
  }),
}

function serve(more: Record<string, Handler> = {}): Request[] {
  return fakeServer({
    'GET /auth/me': { body: makeMe() },
    'GET /tasks': { body: makeList(makeTask()) },
    'GET /tasks/7': { body: makeTask() },
    'GET /tasks/7/runs': { body: makeList(makeRun()) },
    'GET /tasks/7/slots': { body: LEDGER },
    'GET /timezones': { body: { items: ['Europe/Berlin', 'UTC'] } },
    'GET /projects': { body: makeList(makeProject()) },
    'GET /projects/2': { body: makeProject() },
    'GET /projects/2/detection': { body: makeDetection() },
    'GET /environments': { body: makeList(makeEnvironment()) },
    'GET /pools': { body: makeList(makePool()) },
    'POST /triggers/preview': { body: PREVIEW },
    ...more,
  })
}

async function bodyOf(requests: Request[], method: string): Promise<unknown> {
  const found = requests.findLast((request) => request.method === method && !request.url.includes('/triggers/'))
  return found ? found.clone().json() : undefined
}

/** Without a layout nothing comes into sight by itself. */
function watchSight(): { enter: () => void }[] {
  const watched: { enter: () => void }[] = []
  vi.stubGlobal(
    'IntersectionObserver',
    class {
      constructor(private readonly tell: (entries: { isIntersecting: boolean; time: number }[]) => void) {}
      observe(): void {
        watched.push({ enter: () => this.tell([{ isIntersecting: true, time: 1 }]) })
      }
      disconnect(): void {}
    },
  )
  return watched
}

describe('the list of tasks', () => {
  it('shows when each is due and how it went last', async () => {
    serve()
    const page = await mountPage(TaskListPage)
    expect(page.text()).toContain('nightly')
    expect(page.text()).toContain('30 2 * * *')
    expect(page.text()).toContain('Succeeded')
  })

  it('says schedules in words, asking once for each that is in sight', async () => {
    const watched = watchSight()
    const tasks = ['30 2 * * *', '30 2 * * *', '0 4 * * *'].map((expression, id) => makeTask({ id, triggers: [{ id, type: 'cron', expression, timezone: 'UTC' }] }))
    const requests = serve({ 'GET /tasks': { body: makeList(...tasks) } })
    const page = await mountPage(TaskListPage)
    const asked = () => requests.filter((request) => request.url.includes('/triggers/preview')).length
    expect(asked()).toBe(0)
    watched.slice(0, 2).forEach(({ enter }) => enter())
    await vi.waitFor(() => expect(page.text().split('At 2:30 each day')).toHaveLength(3))
    expect(asked()).toBe(1)
    expect(page.text()).not.toContain('30 2 * * *')
    expect(page.text()).toContain('0 4 * * *')
  })

  it('tells a task that Kumo has paused from one that a person has', async () => {
    serve({ 'GET /tasks': { body: makeList(makeTask({ active: false, paused_reason: 'Paused after 3 failures in a row.', consecutive_failures: 3 }), makeTask({ id: 8, name: 'other', active: false })) } })
    const page = await mountPage(TaskListPage)
    expect(page.findAll('[data-testid="task-paused-by-kumo"]')).toHaveLength(1)
    expect(page.text()).toContain('3 failures in a row')
  })

  it('pauses a task and runs one now', async () => {
    const requests = serve({ 'POST /tasks/7/pause': { body: makeTask({ active: false }) }, 'POST /tasks/7/run': { status: 202, body: makeRun() } })
    const page = await mountPage(TaskListPage)
    await page.get('[data-testid="task-active"]').trigger('click')
    await page.get('[data-testid="task-run"]').trigger('click')
    await flushPromises()
    const changes = requests.filter((request) => request.method === 'POST').map((request) => new URL(request.url).pathname)
    expect(changes.sort()).toEqual(['/api/v1/tasks/7/pause', '/api/v1/tasks/7/run'])
  })

  it('offers the first task', async () => {
    serve({ 'GET /tasks': { body: makeList() } })
    expect((await mountPage(TaskListPage)).text()).toContain('No tasks yet')
  })
})

describe('the page of a task', () => {
  it('shows its facts, its triggers in words, and its runs', async () => {
    serve()
    const page = await mountPage(TaskPage, { props: { id: 7 } })
    await vi.waitFor(() => expect(page.text()).toContain('At 2:30 each day'))
    expect(page.text()).toContain('python main.py --full')
    expect(page.text()).toContain('#99')
  })

  it('says why Kumo has paused it, and resumes it', async () => {
    const paused = makeTask({ active: false, paused_reason: 'Paused after 3 failures in a row. Resume it once the cause is mended.', consecutive_failures: 3 })
    const requests = serve({ 'GET /tasks/7': { body: paused }, 'POST /tasks/7/resume': { body: makeTask() } })
    const page = await mountPage(TaskPage, { props: { id: 7 } })
    expect(page.get('[data-testid="task-paused"]').text()).toContain('3 runs in a row have failed.')
    await page.get('[data-testid="task-resume-paused"]').trigger('click')
    await flushPromises()
    expect(requests.some((request) => request.url.endsWith('/tasks/7/resume'))).toBe(true)
    expect(page.find('[data-testid="task-paused"]').exists()).toBe(false)
  })

  it('shows the moments of its own triggers, and which of them will be skipped', async () => {
    const blackouts = [{ start: '22:00', end: '06:00', days: null, timezone: 'Europe/Berlin' }]
    const moments = [{ ...MOMENT, is_blacked_out: true }, { ...MOMENT, due_at: '2027-03-28T01:00:00.000Z', note: '02:30 does not exist on this day.' }]
    const requests = serve({ 'GET /tasks/7': { body: makeTask({ blackouts }) }, 'POST /triggers/preview': { body: { ...PREVIEW, moments } } })
    const page = await mountPage(TaskPage, { props: { id: 7 } })
    await vi.waitFor(() => expect(page.text()).toContain('In a blackout of the task: it will be skipped.'))
    expect(page.text()).toContain('02:30 does not exist on this day.')
    const asked: unknown = await requests.find((request) => request.url.includes('/triggers/preview'))?.clone().json()
    // With its id: its delays are its own.
    expect(asked).toMatchObject({ trigger: { id: 11 }, blackouts })
  })

  it('names the tasks that it follows', async () => {
    const triggers = (['success', 'failure', 'end'] as const).map((on, index) => ({ id: 20 + index, type: 'after' as const, task_id: 8, on }))
    serve({ 'GET /tasks/7': { body: makeTask({ triggers }) }, 'GET /tasks/8': { body: makeTask({ id: 8, name: 'load the data' }) } })
    const watched = watchSight()
    const page = await mountPage(TaskPage, { props: { id: 7 } })
    watched.forEach(({ enter }) => enter())
    for (const words of ['has succeeded', 'has failed', 'has ended']) await vi.waitFor(() => expect(page.text()).toContain(`After “load the data” ${words}`))
  })

  it('points out that it does not keep up, where it is due by the clock', async () => {
    serve()
    const warning = (await mountPage(TaskPage, { props: { id: 7 } })).get('[data-testid="task-cadence"]')
    expect(warning.text()).toContain('It is due every 20 seconds, but its runs began every 60 seconds.')
    expect(warning.get('a').attributes('href')).toBe('/tasks/7?tab=slots')
    const requests = serve({ 'GET /tasks/7': { body: makeTask({ triggers: [{ id: 11, type: 'webhook', has_secret: false }] }) } })
    expect((await mountPage(TaskPage, { props: { id: 7 } })).find('[data-testid="task-cadence"]').exists()).toBe(false)
    expect(requests.some((request) => request.url.includes('/slots'))).toBe(false)
    serve({ 'GET /tasks/7/slots': { body: { ...makeList(), summary: makeSlotSummary() } } })
    expect((await mountPage(TaskPage, { props: { id: 7 } })).find('[data-testid="task-cadence"]').exists()).toBe(false)
  })

  it('says only what is unusual about its policies', async () => {
    const unusual = {
      pool: 'database',
      retry: { max_attempts: 8, delay_seconds: 0, backoff: 2, max_delay_seconds: 60, exit_codes: null },
      failure_threshold: 5,
      limits: { cpu_percent: 150, memory_bytes: 300 * 2 ** 20, processes: null, log_bytes: null },
      blackouts: [{ start: '22:00', end: '06:00', days: ['sun' as const], timezone: 'Europe/Berlin' }],
    }
    serve({ 'GET /tasks/7': { body: makeTask(unusual) } })
    const page = await mountPage(TaskPage, { props: { id: 7 } })
    expect(page.text()).toContain('A run that fails is tried again at once: 8 attempts in all.')
    expect(page.text()).toContain('300 MiB of memory, 150 % CPU, log of any size')
    expect(page.text()).toContain('Sun 22:00–06:00 (Europe/Berlin)')
    expect(page.text()).toContain('Paused after 5 failed runs in a row')
    expect(page.text()).not.toContain('Crawler')
  })
})

describe('the ledger of a task', () => {
  const open = (query = '') => mountPage(TaskPage, { props: { id: 7 }, path: `/tasks/7?tab=slots${query}` })
  const asked = (requests: Request[]) => new URL(requests.findLast((request) => request.url.includes('/slots'))?.url ?? '').searchParams

  it('sums up in words and figures, and says that the task does not keep up', async () => {
    serve()
    const page = await open()
    expect(page.get('[data-testid="slots-sentence"]').text()).toBe('expected 288, ran 280, 3 skipped: overlap, 5 missed: server down')
    const figures = Object.fromEntries(page.findAll('[data-testid^="slots-"][aria-pressed]').map((figure) => [figure.text().replace(/^\d+/, ''), Number(/\d+/.exec(figure.text())?.[0])]))
    expect(figures).toEqual({ Expected: 288, Ran: 280, 'Not run': 8, Missed: 5, Overlap: 3 })
    expect(page.get('[data-testid="slots-cadence"]').text()).toBe('Due every 20s, runs began every 1m')
    expect(page.get('[data-testid="slots-warning"]').text()).toContain('It is due every 20 seconds')
  })

  it('says of a missed moment when the server was down', async () => {
    serve()
    const page = await open()
    expect(page.text()).toContain('The server was down: Jan 1')
    expect(page.text()).toContain('5 moments since')
    expect(page.text()).toContain('The run before it was still going.')
    serve({ 'GET /tasks/7/slots': { body: { ...LEDGER, ...makeList(makeSlot({ outcome: 'skipped', reason: 'missed', run_id: null })) } } })
    expect((await open()).text()).toContain('Kumo looked too late')
  })

  it('asks for the time and the outcome that the address names', async () => {
    const requests = serve()
    await open()
    expect(asked(requests).has('outcome')).toBe(false)
    expect(Date.now() - Date.parse(asked(requests).get('from') ?? '')).toBeLessThan(86_400_000 + 60_000)
    await open('&range=31d&show=skipped')
    expect(asked(requests).get('outcome')).toBe('skipped')
    expect(Math.round((Date.now() - Date.parse(asked(requests).get('from') ?? '')) / 86_400_000)).toBe(31)
    await open('&range=custom&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&show=missed')
    expect(Object.fromEntries(asked(requests))).toMatchObject({ from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z', reason: 'missed' })
  })

  it('shows the moments behind a figure, and all of them again', async () => {
    const requests = serve()
    const page = await open()
    await page.get('[data-testid="slots-skipped"]').trigger('click')
    await flushPromises()
    expect(asked(requests).get('outcome')).toBe('skipped')
    expect(page.get('[data-testid="slots-skipped"]').attributes('aria-pressed')).toBe('true')
    await page.get('[data-testid="slots-skipped"]').trigger('click')
    await flushPromises()
    expect(page.get('[data-testid="slots-all"]').attributes('aria-pressed')).toBe('true')
  })

  it('narrows from one moment to another, and says when that is backwards', async () => {
    serve()
    const page = await open('&range=custom&from=2026-01-02T00:00:00Z&to=2026-01-03T00:00:00Z')
    expect(page.get<HTMLInputElement>('[data-testid="range-from"] input, input[data-testid="range-from"]').element.value).not.toBe('')
    await page.get('[data-testid="range-to"] input, input[data-testid="range-to"]').setValue('2026-01-01T00:00:00')
    await flushPromises()
    expect(page.get('[role="alert"]').text()).toContain('The end must come after the beginning.')
  })
})

describe('the form of a task', () => {
  it('creates one, with the only project chosen and a command that was found in it', async () => {
    const requests = serve({ 'POST /tasks': { status: 201, body: makeTask() } })
    const page = await mountPage(TaskFormPage, { path: '/tasks/new' })
    await page.get('[data-testid="task-name"] input, input[data-testid="task-name"]').setValue('nightly')
    await flushPromises()
    await page.get('[data-testid="task-suggestion"]').trigger('click')
    await page.get('[data-testid="trigger-add"]').trigger('click')
    await vi.waitFor(() => expect(page.text()).toContain('At 2:30 each day'))
    expect(page.text()).toContain('The clocks change on that day.')
    await page.get('form').trigger('submit')
    await flushPromises()
    expect(await bodyOf(requests, 'POST')).toMatchObject({
      name: 'nightly',
      project_id: 2,
      command: 'python main.py',
      environment_id: null,
      triggers: [{ type: 'cron', expression: '0 2 * * *' }],
    })
  })

  it('puts what the server refuses beside its field', async () => {
    const details = [
      { field: 'name', message: 'A name is needed.' },
      { field: 'surprise', message: 'Nobody expects this.' },
    ]
    serve({ 'POST /tasks': errorAnswer(422, 'validation_error', 'Not valid.', details) })
    const page = await mountPage(TaskFormPage, { path: '/tasks/new' })
    await page.get('form').trigger('submit')
    await flushPromises()
    expect(page.text()).toContain('A name is needed.')
    expect(page.text()).toContain('surprise: Nobody expects this.')
  })

  it('says while it is written what is wrong with a trigger', async () => {
    serve({ 'POST /triggers/preview': errorAnswer(422, 'validation_error', 'Not valid.', [{ field: 'trigger.expression', message: 'There is no 61st minute.' }]) })
    const page = await mountPage(TaskFormPage, { path: '/tasks/new' })
    await page.get('[data-testid="trigger-add"]').trigger('click')
    await vi.waitFor(() => expect(page.text()).toContain('There is no 61st minute.'))
  })

  it('changes only the task that was seen', async () => {
    const message = 'Task 7 was changed meanwhile. Load it again, then change it.'
    const requests = serve({ 'PATCH /tasks/7': errorAnswer(409, 'conflict', message, [{ field: 'version', message }]) })
    const page = await mountPage(TaskFormPage, { props: { id: 7 }, path: '/tasks/7/edit' })
    await page.get('form').trigger('submit')
    await flushPromises()
    expect(requests.findLast((request) => request.method === 'PATCH')?.headers.get('If-Match')).toBe('3')
    expect(page.text()).toContain('Somebody else has changed this task meanwhile.')
  })

  it('puts a name that is taken beside the field of the name', async () => {
    const message = "A task named 'the version 2' exists already. Choose another name."
    serve({ 'PATCH /tasks/7': errorAnswer(409, 'conflict', message, [{ field: 'name', message }]) })
    const page = await mountPage(TaskFormPage, { props: { id: 7 }, path: '/tasks/7/edit' })
    await page.get('form').trigger('submit')
    await flushPromises()
    expect(page.text()).not.toContain('Somebody else has changed this task meanwhile.')
    expect(page.get('[aria-invalid="true"]').attributes('data-testid')).toBe('task-name')
    expect(page.text().split(message)).toHaveLength(2)
  })

  it('folds what is usual away, and says it in a line', async () => {
    serve({ 'GET /tasks/7': { body: makeTask({ pool: 'database', failure_threshold: 3 }) } })
    const page = await mountPage(TaskFormPage, { props: { id: 7 }, path: '/tasks/7/edit' })
    const isOpen = (name: string) => page.get<HTMLDetailsElement>(`[data-testid="section-${name}"]`).element.open
    expect(['concurrency', 'retries', 'failures', 'limits', 'crawler', 'blackouts'].filter(isOpen)).toEqual(['concurrency', 'failures'])
    expect(page.get('[data-testid="section-retries"] summary').text()).toContain('A run that fails is not tried again.')
    expect(page.get('[data-testid="section-concurrency"] summary').text()).toContain('pool database')
  })

  it('says when a run that fails is tried again', async () => {
    const retry = { max_attempts: 4, delay_seconds: 60, backoff: 2, max_delay_seconds: 3_600, exit_codes: [75] }
    serve({ 'GET /tasks/7': { body: makeTask({ retry }) } })
    const page = await mountPage(TaskFormPage, { props: { id: 7 }, path: '/tasks/7/edit' })
    expect(page.get('[data-testid="retry-plan"]').text()).toBe('A run that fails is tried again after 1m, 2m, 4m: 4 attempts in all. Only after exit code 75.')
  })

  it('opens the part in which something is wrong, and says it at the field', async () => {
    const details = [
      { field: 'retry.max_attempts', message: 'At most 100.' },
      { field: 'blackouts.0.start', message: 'Write it as 22:00.' },
      { field: 'blackouts', message: 'There are too many.' },
    ]
    serve({ 'PATCH /tasks/7': errorAnswer(422, 'validation_error', 'Not valid.', details) })
    const page = await mountPage(TaskFormPage, { props: { id: 7 }, path: '/tasks/7/edit' })
    await page.get('[data-testid="blackout-add"]').trigger('click')
    await page.get('form').trigger('submit')
    await flushPromises()
    expect(page.get<HTMLDetailsElement>('[data-testid="section-retries"]').element.open).toBe(true)
    expect(page.get('[data-testid="section-retries"]').text()).toContain('At most 100.')
    expect(page.get('[data-testid="blackout"]').text()).toContain('Write it as 22:00.')
    // No row has a place for this one.
    expect(page.get('form > [role="alert"]').text()).toContain('There are too many.')
  })

  it('sends days, and every day as none in particular', async () => {
    const requests = serve({ 'PATCH /tasks/7': { body: makeTask() } })
    const page = await mountPage(TaskFormPage, { props: { id: 7 }, path: '/tasks/7/edit' })
    await page.get('[data-testid="blackout-add"]').trigger('click')
    await page.get('[data-testid="blackout-add"]').trigger('click')
    for (const day of ['Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']) await page.get(`[aria-label="${day}"]`).trigger('click')
    await page.get('form').trigger('submit')
    await flushPromises()
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
    expect(await bodyOf(requests, 'PATCH')).toMatchObject({
      blackouts: [
        { start: '22:00', end: '06:00', days: ['mon', 'sun'], timezone: zone },
        { start: '22:00', end: '06:00', days: null, timezone: zone },
      ],
    })
  })

  it('shows the address of a webhook once, before it leaves', async () => {
    const webhook = { id: 12, type: 'webhook' as const, has_secret: false }
    const before = makeTask({ triggers: [webhook] })
    serve({ 'GET /tasks/7': { body: before }, 'PATCH /tasks/7': { body: makeTask({ triggers: [{ ...webhook, url_path: '/api/v1/hooks/s3cret' }] }) } })
    const page = await mountPage(TaskFormPage, { props: { id: 7 }, path: '/tasks/7/edit' })
    await page.get('form').trigger('submit')
    await vi.waitFor(() => expect(document.querySelector('[data-testid="webhook-address"]')?.textContent).toBe(`${location.origin}/api/v1/hooks/s3cret`))
    expect(page.find('form').exists()).toBe(true)
  })
})
