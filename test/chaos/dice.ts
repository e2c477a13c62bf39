import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { mersenne } from 'pure-rand/generator/mersenne';

/** Seeded random numbers. */
export class Dice {
  private readonly generator;

  constructor(seed: number) {
    this.generator = mersenne(seed);
  }

  /** @returns a whole number, both ends included. */
  between(from: number, to: number): number {
    return uniformInt(this.generator, from, to);
  }

  percent(share: number): boolean {
    return this.between(1, 100) <= share;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.between(0, choices.length - 1)] as T;
  }

  /** Deals shuffled decks without end: each card comes once per deck. */
  *deal<T>(cards: readonly T[]): Generator<T, never> {
    for (;;) {
      const deck = [...cards];
      while (deck.length > 0) yield deck.splice(this.between(0, deck.length - 1), 1)[0] as T;
    }
  }
}
