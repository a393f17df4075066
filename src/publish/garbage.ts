/** Something that nobody needs. */
export interface Garbage {
  readonly kind: 'bundle' | 'served' | 'modules' | 'cache' | 'log' | 'left over';
  readonly path: string;
  readonly bytes: number;
  readonly why: string;
}
