/** The reasons why a model ended its answer. */

/** Other servers' values of `finish_reason`, by Kimi's. */
const OTHER_REASONS: Record<string, string> = {
  end_turn: 'stop',
  eos: 'stop',
  eos_token: 'stop',
  stop_sequence: 'stop',
  complete: 'stop',
  completed: 'stop',
  max_tokens: 'length',
  model_length: 'length',
  max_output_tokens: 'length',
};

/** @returns Kimi's `finish_reason` for another server's, if there is one: `stop`, or `length` for a truncated answer. */
export function kimiFinishReason(finish_reason: string): string {
  const reason = finish_reason.toLowerCase();
  return OTHER_REASONS[reason] ?? reason;
}

/** @returns whether the model ended its answer: a request for more would be paid for and return something else. */
export function hasEnded(finish_reason: string | undefined): boolean {
  return finish_reason === 'stop' || finish_reason === 'length';
}
