/** Clean-up functions, run in reverse order. */
const cleanUps: (() => unknown)[] = [];

/** Registers a clean-up, which also runs on an error or a signal. */
export function atTheEnd(cleanUp: () => unknown): void {
  cleanUps.push(cleanUp);
}

/** Runs every clean-up; an error is reported and does not stop the others. @returns whether all succeeded. */
export async function cleanUp(): Promise<boolean> {
  let isClean = true;
  for (const undo of cleanUps.splice(0).toReversed()) {
    try {
      await undo();
    } catch (error) {
      console.error(error);
      isClean = false;
    }
  }
  return isClean;
}
