/** A workflow that answers no status query, like one whose history cannot be replayed. */
export async function kimiTask(): Promise<void> {}
