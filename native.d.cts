/** The compiled addon, or the reason why there is none. Exactly one of the two is defined. */
declare const native:
  | { readonly addon: object; readonly error: undefined }
  | { readonly addon: undefined; readonly error: Error };

export = native;
