/** What each ASCII sign counts as: itself in lower case, or nothing. */
const ASCII = Array.from({ length: 0x80 }, (_, unit) => counted(String.fromCharCode(unit)));
/** Compatibility forms of letters and digits stand below this (Unicode 17); above are ideographs and private signs. */
const END_OF_FORMS = 0x20000;
/** For each code point below: 0 not looked at yet, 1 it counts as nothing, 2 as what `forms` says. */
const seen = new Uint8Array(END_OF_FORMS);
const forms = new Map<number, string>();

/** Nearly every name of a member or parameter: nothing to fold. */
const PLAIN = /^[a-z0-9]*$/;

/**
 * The letters and digits of a name, as a reader sees them that ignores letter case, separators and the width of letters
 * (Unicode's NFKC): `webhookurl` of `webhook_url`, `Webhook-URL` and `ｗebhookUrl[]`. Percent signs stay. Time is
 * proportional to the name, whatever it is made of; normalising it as a whole would not be.
 */
export function foldName(name: string): string {
  if (PLAIN.test(name)) return name;
  let folded = '';
  for (let at = 0; at < name.length; at++) {
    const unit = name.charCodeAt(at);
    if (unit < 0x80) folded += ASCII[unit] ?? '';
    else {
      const point = name.codePointAt(at) ?? 0;
      if (point > 0xffff) at++;
      if (point < END_OF_FORMS) folded += formOf(point);
    }
  }
  return folded;
}

function formOf(point: number): string {
  if (seen[point] === 0) {
    const form = counted(String.fromCodePoint(point));
    seen[point] = form === '' ? 1 : 2;
    if (form !== '') forms.set(point, form);
  }
  return seen[point] === 1 ? '' : (forms.get(point) ?? '');
}

function counted(sign: string): string {
  return sign
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^a-z0-9%]/g, '');
}
