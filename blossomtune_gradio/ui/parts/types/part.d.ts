// What Gradio hands to a part, and what its server functions answer.

/** The server functions of a part, by name: each takes one object. */
export type Readers = Record<string, (asked: any) => Promise<object>>;

export interface Given<R extends Readers = Readers, Value = never> {
  /** The part's own element. */
  element: HTMLElement;
  server: R;
  /** What the last callback answered is in `value`. */
  props: { value: Value };
  /** Starts a callback of the page; what it answers is heard by `watch`. */
  trigger(name: string, detail?: object): void;
  watch(name: "value", hear: () => void): void;
}

/** What was asked for, or a sentence that says why not. */
export type Answer<T> = (T & { error?: undefined }) | ({ [Name in keyof T]?: undefined } & { error: string });

export type Tone = "good" | "live" | "busy" | "bad" | "off";

/** What came of a click. */
export interface Said {
  tone: Tone;
  text: string;
}
