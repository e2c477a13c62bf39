/** A task whose worker cannot say where it stands, as one that cannot replay its history. */
export async function kimiTask(): Promise<void> {}
