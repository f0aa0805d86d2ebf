/** A moment in milliseconds, and the value at it. */
export type TimePoint = readonly [at: number, value: number]

export interface TimeChartWords {
  time: (at: number) => string
  value: (value: number) => string
}

/** The design as it is at the moment: a chart measures and paints text itself, and does not know CSS. */
export interface ChartLook {
  font: string
  line: string
  limit: string
  text: string
  grid: string
  back: string
}

const HEADROOM = 1.05
const TEXT_SIZE = 11

export function lookOf(element: Element): ChartLook {
  const style = getComputedStyle(element)
  const colour = (name: string): string => style.getPropertyValue(name).trim()
  return {
    font: style.fontFamily,
    line: colour('--ui-primary'),
    limit: colour('--ui-error'),
    text: colour('--ui-text-muted'),
    grid: colour('--ui-border'),
    back: colour('--ui-bg'),
  }
}

/** How a line over time is drawn, for ECharts; the limit is a line across, and always in sight. */
export function timeChartOption(points: readonly TimePoint[], limit: number | null, words: TimeChartWords, look: ChartLook) {
  const label = { color: look.text, fontSize: TEXT_SIZE, fontFamily: look.font }
  return {
    // Live charts get new points every few seconds; moving lines would be restless, and cost time.
    animation: false,
    grid: { top: 10, right: 14, bottom: 4, left: 4, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
    xAxis: {
      type: 'time',
      axisLabel: { ...label, hideOverlap: true, formatter: words.time },
      axisLine: { lineStyle: { color: look.grid } },
      axisTick: { show: false },
      splitNumber: 4,
    },
    yAxis: {
      type: 'value',
      min: 0,
      max: limit === null ? undefined : ({ max }: { max: number }) => Math.max(max, limit * HEADROOM),
      axisLabel: { ...label, showMaxLabel: limit === null, formatter: words.value },
      splitLine: { lineStyle: { color: look.grid } },
      splitNumber: 3,
    },
    tooltip: {
      trigger: 'axis',
      confine: true,
      backgroundColor: look.back,
      borderColor: look.grid,
      textStyle: label,
      axisPointer: { lineStyle: { color: look.text } },
      formatter: ([point]: { value: TimePoint }[]) => (point ? `${words.time(point.value[0])}<br><b>${words.value(point.value[1])}</b>` : ''),
    },
    series: [
      {
        type: 'line',
        data: points,
        showSymbol: false,
        itemStyle: { color: look.line },
        lineStyle: { color: look.line, width: 1.5 },
        areaStyle: { color: look.line, opacity: 0.12 },
        markLine: {
          silent: true,
          symbol: 'none',
          lineStyle: { color: look.limit, type: 'dashed' },
          label: { ...label, color: look.limit, position: 'insideStartTop', formatter: () => words.value(limit ?? 0) },
          data: limit === null ? [] : [{ yAxis: limit }],
        },
      },
    ],
  }
}
