/** What a state means to a person. Each feature maps its own states to these; see StatusBadge. */
export type StatusTone = 'success' | 'error' | 'warning' | 'active' | 'waiting' | 'neutral' | 'unknown'
