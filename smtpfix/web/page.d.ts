/** What the modules of the page in `static` share: types for those who read them, and for `tsc`; browsers never ask for it. */

/** What can be put into an element. */
type Child = Node | string | number | false | null | undefined | any[];

/** The name of an icon. */
type Icon = Parameters<typeof import("./static/dom.js").icon>[0];

/** What an address says: of `#/message/ID/protocol?q=x`, words `["message", "ID", "protocol"]`. */
interface Route {
  words: string[];
  query: URLSearchParams;
}

/**
 * A page is a module that exports `open`, which fills `place`, an empty element, and returns a view. It is loaded when it
 * is first opened.
 */
type Open = (place: HTMLElement, app: App) => View;

/** An open page. */
interface View {
  /** Show what the address says; called at once, and whenever it changes. */
  go(route: Route): void;
  /** Something has happened. */
  changed?(changes: Change[]): void | Promise<void>;
  /** A key was pressed; true: it meant something. */
  key?(key: string): boolean;
  close?(): void;
}

/** What a page can ask of the one around it. */
interface App {
  /** The servers, as `GET overview` has them; null before they are known. */
  overview(): any;
  /** Show counts. */
  counted(counts: { total: number; unread: number; tags: Record<string, number> }): void;
  /** Show a sentence for a moment, and read it out. */
  say(sentence: string): void;
  /** Ask before something is deleted. */
  confirm(question: string): Promise<boolean>;
}

/** What has happened, as the events of the own API tell it. */
interface Change {
  kind: string;
  data: any;
}

interface Address {
  Name: string;
  Address: string;
}

/** A message in a list. */
interface Summary {
  ID: string;
  Read: boolean;
  From: Address;
  To: Address[];
  Bcc: Address[];
  Subject: string;
  Created: string;
  Tags: string[];
  Size: number;
  Attachments: number;
  Snippet: string;
  smtp: { in_tls: boolean; accepted: boolean; server: string; recipients: string[] };
}

/** Where in the list to go. */
interface To {
  id?: string;
  tab?: string;
  query?: string;
  start?: number;
}

/** Fills a pane with what a tab shows of a message. */
type Tab = (pane: HTMLElement, about: { all: any; id: string; tools: HTMLElement; app: App }) => void | Promise<void>;

/** What the list at the left is made of. */
interface NavState {
  overview: any;
  counts: { total?: number; unread?: number; tags: Record<string, number> };
  isLive: boolean;
  route: Route;
  switchTheme(): void;
  help(): void;
}

/** What a small label is: a link, a button, or neither. */
interface ChipOptions {
  kind?: string;
  icon?: Icon;
  title?: string;
  href?: string;
  target?: string;
  rel?: string;
  download?: boolean;
  onclick?(): void;
}
