/** What has to be undone at the end, the last first. */
const cleanUps: (() => unknown)[] = [];

/** Has something undone at the end, however the end comes. */
export function atTheEnd(cleanUp: () => unknown): void {
  cleanUps.push(cleanUp);
}

/** Undoes it all; what cannot be undone is told and keeps nothing else from it. @returns whether all of it could. */
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
