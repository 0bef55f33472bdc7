/**
 * The compiled addon, or the reason why there is none: exactly one of the two is defined; and the
 * folder of the package.
 */
declare const native: { readonly root: string } & (
  | { readonly addon: object; readonly error: undefined }
  | { readonly addon: undefined; readonly error: Error }
);

export = native;
