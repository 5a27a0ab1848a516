/** A form as a client sent it over a socket; the body in Latin-1, a character a byte. */
export interface RecordedForm {
  readonly client: string;
  readonly type: string;
  readonly body: string;
}

/** Forms of the same three fields, from Debian 12 and npm: each differs from the others in more than its boundary. */
export const RECORDED_FORMS: readonly RecordedForm[] = [
  {
    client: 'curl',
    type: 'multipart/form-data; boundary=------------------------dcc5a4624778fde8',
    body: '--------------------------dcc5a4624778fde8\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse\r\n--------------------------dcc5a4624778fde8\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--------------------------dcc5a4624778fde8\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--------------------------dcc5a4624778fde8--\r\n',
  },
  {
    client: 'curl, odd name',
    type: 'multipart/form-data; boundary=------------------------8e76b287f87a325b',
    body: '--------------------------8e76b287f87a325b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--------------------------8e76b287f87a325b\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--------------------------8e76b287f87a325b\r\nContent-Disposition: form-data; name="image"; filename="a %22b%22 \\c it\'s \xc3\xbc;.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--------------------------8e76b287f87a325b--\r\n',
  },
  {
    client: 'curl --form-escape, odd name',
    type: 'multipart/form-data; boundary=------------------------960f7ab78906a62f',
    body: '--------------------------960f7ab78906a62f\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--------------------------960f7ab78906a62f\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--------------------------960f7ab78906a62f\r\nContent-Disposition: form-data; name="image"; filename="a \\"b\\" \\\\c it\'s \xc3\xbc;.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--------------------------960f7ab78906a62f--\r\n',
  },
  {
    client: 'python-requests',
    type: 'multipart/form-data; boundary=4bbcc751f3d223f1e59807d56891a0e4',
    body: '--4bbcc751f3d223f1e59807d56891a0e4\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--4bbcc751f3d223f1e59807d56891a0e4\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--4bbcc751f3d223f1e59807d56891a0e4\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--4bbcc751f3d223f1e59807d56891a0e4--\r\n',
  },
  {
    client: 'python-requests, no types',
    type: 'multipart/form-data; boundary=dedf09eafdb0e9a4f08a0b5fecc54dfb',
    body: '--dedf09eafdb0e9a4f08a0b5fecc54dfb\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--dedf09eafdb0e9a4f08a0b5fecc54dfb\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--dedf09eafdb0e9a4f08a0b5fecc54dfb\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--dedf09eafdb0e9a4f08a0b5fecc54dfb--\r\n',
  },
  {
    client: 'aiohttp',
    type: 'multipart/form-data; boundary=1e3ad2eca2c044d5ac49ca2ff396b018',
    body: '--1e3ad2eca2c044d5ac49ca2ff396b018\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--1e3ad2eca2c044d5ac49ca2ff396b018\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--1e3ad2eca2c044d5ac49ca2ff396b018\r\nContent-Type: image/png\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--1e3ad2eca2c044d5ac49ca2ff396b018--\r\n',
  },
  {
    client: 'python-requests, odd name',
    type: 'multipart/form-data; boundary=068f97ed6e90fac9f00e1a5f3a6923ac',
    body: '--068f97ed6e90fac9f00e1a5f3a6923ac\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--068f97ed6e90fac9f00e1a5f3a6923ac\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--068f97ed6e90fac9f00e1a5f3a6923ac\r\nContent-Disposition: form-data; name="image"; filename="a %22b%22 \\\\c it\'s \xc3\xbc;.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--068f97ed6e90fac9f00e1a5f3a6923ac--\r\n',
  },
  {
    client: 'python-requests, no types, odd name',
    type: 'multipart/form-data; boundary=70e5b53765541644c3cf058ede67d889',
    body: '--70e5b53765541644c3cf058ede67d889\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--70e5b53765541644c3cf058ede67d889\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--70e5b53765541644c3cf058ede67d889\r\nContent-Disposition: form-data; name="image"; filename="a %22b%22 \\\\c it\'s \xc3\xbc;.png"\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--70e5b53765541644c3cf058ede67d889--\r\n',
  },
  {
    client: 'aiohttp, odd name',
    type: 'multipart/form-data; boundary=15a5bdf918bb4934831799d6ded615ac',
    body: '--15a5bdf918bb4934831799d6ded615ac\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--15a5bdf918bb4934831799d6ded615ac\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--15a5bdf918bb4934831799d6ded615ac\r\nContent-Type: image/png\r\nContent-Disposition: form-data; name="image"; filename="a%20%22b%22%20%5Cc%20it%27s%20%C3%BC%3B.png"\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--15a5bdf918bb4934831799d6ded615ac--\r\n',
  },
  {
    client: 'aiohttp, quote_fields=False, odd name',
    type: 'multipart/form-data; boundary=656b7ede0bcd4a04ad137fd909feee27',
    body: '--656b7ede0bcd4a04ad137fd909feee27\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--656b7ede0bcd4a04ad137fd909feee27\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--656b7ede0bcd4a04ad137fd909feee27\r\nContent-Type: image/png\r\nContent-Disposition: form-data; name="image"; filename="a \\"b\\" \\\\c it\'s \xc3\xbc;.png"\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--656b7ede0bcd4a04ad137fd909feee27--\r\n',
  },
  {
    client: 'multipart-post',
    type: 'multipart/form-data; boundary=-----------RubyMultipartPost',
    body: '-------------RubyMultipartPost\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n-------------RubyMultipartPost\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n-------------RubyMultipartPost\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\nContent-Length: 12\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n-------------RubyMultipartPost--\r\n\r\n',
  },
  {
    client: 'Ruby httpclient',
    type: 'multipart/form-data; boundary=a80ae913ea6d7a9eb63f7eaf1f4860ed871b12a2',
    body: '--a80ae913ea6d7a9eb63f7eaf1f4860ed871b12a2\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--a80ae913ea6d7a9eb63f7eaf1f4860ed871b12a2\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--a80ae913ea6d7a9eb63f7eaf1f4860ed871b12a2\r\nContent-Disposition: form-data; name="image"; filename="plain.png"; modification-date="Mon, 30 Nov 2026 15:35:51 +0000"; read-date="Mon, 30 Nov 2026 15:35:51 +0000"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--a80ae913ea6d7a9eb63f7eaf1f4860ed871b12a2--\r\n\r\n',
  },
  {
    client: 'Go',
    type: 'multipart/form-data; boundary=22ca7e5443a95836b9dbea3428eeb5871d45de9d2612bf72b20c94be9d51',
    body: '--22ca7e5443a95836b9dbea3428eeb5871d45de9d2612bf72b20c94be9d51\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--22ca7e5443a95836b9dbea3428eeb5871d45de9d2612bf72b20c94be9d51\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--22ca7e5443a95836b9dbea3428eeb5871d45de9d2612bf72b20c94be9d51\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\nContent-Type: application/octet-stream\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--22ca7e5443a95836b9dbea3428eeb5871d45de9d2612bf72b20c94be9d51--\r\n',
  },
  {
    client: 'Go, odd name',
    type: 'multipart/form-data; boundary=1ceafddbb74bafe5af657a7b31e39fc85ca65e95d4dd720b393f8c7bf021',
    body: '--1ceafddbb74bafe5af657a7b31e39fc85ca65e95d4dd720b393f8c7bf021\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--1ceafddbb74bafe5af657a7b31e39fc85ca65e95d4dd720b393f8c7bf021\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--1ceafddbb74bafe5af657a7b31e39fc85ca65e95d4dd720b393f8c7bf021\r\nContent-Disposition: form-data; name="image"; filename="a \\"b\\" \\\\c it\'s \xc3\xbc;.png"\r\nContent-Type: application/octet-stream\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--1ceafddbb74bafe5af657a7b31e39fc85ca65e95d4dd720b393f8c7bf021--\r\n',
  },
  {
    client: 'Apache HttpClient 5.2, LEGACY',
    type: 'multipart/form-data; charset=ISO-8859-1; boundary=xUILTM-yBB_S26U2Z3EKmdH4Zn-0FjWUbIdh0-',
    body: '--xUILTM-yBB_S26U2Z3EKmdH4Zn-0FjWUbIdh0-\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse\r\n--xUILTM-yBB_S26U2Z3EKmdH4Zn-0FjWUbIdh0-\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--xUILTM-yBB_S26U2Z3EKmdH4Zn-0FjWUbIdh0-\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--xUILTM-yBB_S26U2Z3EKmdH4Zn-0FjWUbIdh0---\r\n',
  },
  {
    client: 'Apache HttpClient 5.2, LEGACY, UTF-8',
    type: 'multipart/form-data; boundary=dlbam9OubKRK7GGQe2003mSXyxzuhh5NsBU; charset=UTF-8',
    body: '--dlbam9OubKRK7GGQe2003mSXyxzuhh5NsBU\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--dlbam9OubKRK7GGQe2003mSXyxzuhh5NsBU\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--dlbam9OubKRK7GGQe2003mSXyxzuhh5NsBU\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--dlbam9OubKRK7GGQe2003mSXyxzuhh5NsBU--\r\n',
  },
  {
    client: 'Apache HttpClient 5.2, STRICT',
    type: 'multipart/form-data; charset=ISO-8859-1; boundary=A6zFwA79JteePQMYnmfYNY_RMiD-DH',
    body: '--A6zFwA79JteePQMYnmfYNY_RMiD-DH\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n\r\na lighthouse\r\n--A6zFwA79JteePQMYnmfYNY_RMiD-DH\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n\r\nTURBO\r\n--A6zFwA79JteePQMYnmfYNY_RMiD-DH\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--A6zFwA79JteePQMYnmfYNY_RMiD-DH--\r\n',
  },
  {
    client: 'Apache HttpClient 5.2, STRICT, UTF-8',
    type: 'multipart/form-data; boundary=4DwvPwq17MAqTbsdCH5HRCh1-T9Pt_QV; charset=UTF-8',
    body: '--4DwvPwq17MAqTbsdCH5HRCh1-T9Pt_QV\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\na lighthouse \xc3\xbc\r\n--4DwvPwq17MAqTbsdCH5HRCh1-T9Pt_QV\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n\r\nTURBO\r\n--4DwvPwq17MAqTbsdCH5HRCh1-T9Pt_QV\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--4DwvPwq17MAqTbsdCH5HRCh1-T9Pt_QV--\r\n',
  },
  {
    client: 'Apache HttpClient 5.2, LEGACY, odd name',
    type: 'multipart/form-data; charset=ISO-8859-1; boundary=CbEnZVTjqDkmqXvOYYf6f1uRYXRQmb',
    body: '--CbEnZVTjqDkmqXvOYYf6f1uRYXRQmb\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse\r\n--CbEnZVTjqDkmqXvOYYf6f1uRYXRQmb\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--CbEnZVTjqDkmqXvOYYf6f1uRYXRQmb\r\nContent-Disposition: form-data; name="image"; filename="a \\"b\\" \\\\c it\'s \xfc;.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--CbEnZVTjqDkmqXvOYYf6f1uRYXRQmb--\r\n',
  },
  {
    client: 'Apache HttpClient 5.2, LEGACY, UTF-8, odd name',
    type: 'multipart/form-data; boundary=nmhhY5EIN-6OI3Qs7vympb_2nRDWcEmfSADm; charset=UTF-8',
    body: '--nmhhY5EIN-6OI3Qs7vympb_2nRDWcEmfSADm\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--nmhhY5EIN-6OI3Qs7vympb_2nRDWcEmfSADm\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--nmhhY5EIN-6OI3Qs7vympb_2nRDWcEmfSADm\r\nContent-Disposition: form-data; name="image"; filename="a \\"b\\" \\\\c it\'s \xc3\xbc;.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--nmhhY5EIN-6OI3Qs7vympb_2nRDWcEmfSADm--\r\n',
  },
  {
    client: 'Apache HttpClient 5.2, STRICT, odd name',
    type: 'multipart/form-data; charset=ISO-8859-1; boundary=DCrfoIao-_RcaWdBPhJhhmw-H2pVaGN',
    body: '--DCrfoIao-_RcaWdBPhJhhmw-H2pVaGN\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n\r\na lighthouse\r\n--DCrfoIao-_RcaWdBPhJhhmw-H2pVaGN\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n\r\nTURBO\r\n--DCrfoIao-_RcaWdBPhJhhmw-H2pVaGN\r\nContent-Disposition: form-data; name="image"; filename="a \\"b\\" \\\\c it\'s \xfc;.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--DCrfoIao-_RcaWdBPhJhhmw-H2pVaGN--\r\n',
  },
  {
    client: 'Apache HttpClient 5.2, STRICT, UTF-8, odd name',
    type: 'multipart/form-data; boundary=8_pShoux3Tg7FPK9X7hYe12pERiJgQ; charset=UTF-8',
    body: '--8_pShoux3Tg7FPK9X7hYe12pERiJgQ\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\na lighthouse \xc3\xbc\r\n--8_pShoux3Tg7FPK9X7hYe12pERiJgQ\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n\r\nTURBO\r\n--8_pShoux3Tg7FPK9X7hYe12pERiJgQ\r\nContent-Disposition: form-data; name="image"; filename="a \\"b\\" \\\\c it\'s \xfc;.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--8_pShoux3Tg7FPK9X7hYe12pERiJgQ--\r\n',
  },
  {
    client: 'Symfony Mime',
    type: 'multipart/form-data; boundary=i1twbVJv',
    body: '--i1twbVJv\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--i1twbVJv\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--i1twbVJv\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: 8bit\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--i1twbVJv--\r\n',
  },
  {
    client: 'Guzzle',
    type: 'multipart/form-data; boundary=6b5d1e99c17cfc8733bf11e1741fabd6bfc76003',
    body: '--6b5d1e99c17cfc8733bf11e1741fabd6bfc76003\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Length: 15\r\n\r\na lighthouse \xc3\xbc\r\n--6b5d1e99c17cfc8733bf11e1741fabd6bfc76003\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Length: 5\r\n\r\nTURBO\r\n--6b5d1e99c17cfc8733bf11e1741fabd6bfc76003\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\nContent-Length: 12\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--6b5d1e99c17cfc8733bf11e1741fabd6bfc76003--\r\n',
  },
  {
    client: 'Symfony Mime, odd name',
    type: 'multipart/form-data; boundary=S2fGEAPh',
    body: '--S2fGEAPh\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--S2fGEAPh\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--S2fGEAPh\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: 8bit\r\nContent-Disposition: form-data; name="image"; filename="a %22b%22 \\c it\'s \xc3\xbc;.png"\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--S2fGEAPh--\r\n',
  },
  {
    client: 'Apache HttpClient 4.5, STRICT',
    type: 'multipart/form-data; boundary=PPI-JeAbbuZyG4hmM8U9noddcRYP4GP',
    body: '--PPI-JeAbbuZyG4hmM8U9noddcRYP4GP\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\na lighthouse\r\n--PPI-JeAbbuZyG4hmM8U9noddcRYP4GP\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nTURBO\r\n--PPI-JeAbbuZyG4hmM8U9noddcRYP4GP\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--PPI-JeAbbuZyG4hmM8U9noddcRYP4GP--\r\n',
  },
  {
    client: 'Apache HttpClient 4.5, STRICT, UTF-8',
    type: 'multipart/form-data; boundary=tYCYTDFtA487s4hBxUuBqfETDyLkvu1UUG; charset=UTF-8',
    body: '--tYCYTDFtA487s4hBxUuBqfETDyLkvu1UUG\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\na lighthouse \xc3\xbc\r\n--tYCYTDFtA487s4hBxUuBqfETDyLkvu1UUG\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nTURBO\r\n--tYCYTDFtA487s4hBxUuBqfETDyLkvu1UUG\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--tYCYTDFtA487s4hBxUuBqfETDyLkvu1UUG--\r\n',
  },
  {
    client: 'Apache HttpClient 4.5, STRICT, odd name',
    type: 'multipart/form-data; boundary=VyLnQ2i60umnE7sCu8xwr9KwQ4mAngLJ27',
    body: '--VyLnQ2i60umnE7sCu8xwr9KwQ4mAngLJ27\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\na lighthouse\r\n--VyLnQ2i60umnE7sCu8xwr9KwQ4mAngLJ27\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nTURBO\r\n--VyLnQ2i60umnE7sCu8xwr9KwQ4mAngLJ27\r\nContent-Disposition: form-data; name="image"; filename="a \\"b\\" \\\\c it\'s ?;.png"\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--VyLnQ2i60umnE7sCu8xwr9KwQ4mAngLJ27--\r\n',
  },
  {
    client: 'Apache HttpClient 4.5, STRICT, UTF-8, odd name',
    type: 'multipart/form-data; boundary=sMW7Is2_6g_JWK3BprVyPdx3DhPDmem0bHXe9v; charset=UTF-8',
    body: '--sMW7Is2_6g_JWK3BprVyPdx3DhPDmem0bHXe9v\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\na lighthouse \xc3\xbc\r\n--sMW7Is2_6g_JWK3BprVyPdx3DhPDmem0bHXe9v\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nTURBO\r\n--sMW7Is2_6g_JWK3BprVyPdx3DhPDmem0bHXe9v\r\nContent-Disposition: form-data; name="image"; filename="a \\"b\\" \\\\c it\'s ?;.png"\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--sMW7Is2_6g_JWK3BprVyPdx3DhPDmem0bHXe9v--\r\n',
  },
  {
    client: 'Apache HttpClient 4.5, BROWSER_COMPATIBLE, odd name',
    type: 'multipart/form-data; boundary=e9B_N8JtUJX5moevJLaoXccaOoUNgL9l8',
    body: '--e9B_N8JtUJX5moevJLaoXccaOoUNgL9l8\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse\r\n--e9B_N8JtUJX5moevJLaoXccaOoUNgL9l8\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--e9B_N8JtUJX5moevJLaoXccaOoUNgL9l8\r\nContent-Disposition: form-data; name="image"; filename="a \\"b\\" \\\\c it\'s ?;.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--e9B_N8JtUJX5moevJLaoXccaOoUNgL9l8--\r\n',
  },
  {
    client: 'Apache HttpClient 4.5, RFC6532, odd name',
    type: 'multipart/form-data; boundary=bW3fKiT1ygz4PuyJH0aIaYProFpk-zC6FJTKZ',
    body: '--bW3fKiT1ygz4PuyJH0aIaYProFpk-zC6FJTKZ\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\na lighthouse\r\n--bW3fKiT1ygz4PuyJH0aIaYProFpk-zC6FJTKZ\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nTURBO\r\n--bW3fKiT1ygz4PuyJH0aIaYProFpk-zC6FJTKZ\r\nContent-Disposition: form-data; name="image"; filename="a \\"b\\" \\\\c it\'s \xc3\xbc;.png"\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--bW3fKiT1ygz4PuyJH0aIaYProFpk-zC6FJTKZ--\r\n',
  },
  {
    client: 'Apache HttpClient 4.5, RFC6532, UTF-8, odd name',
    type: 'multipart/form-data; boundary=6ZK12J-Ty5m8_1QgcflLfzcItDYYS8; charset=UTF-8',
    body: '--6ZK12J-Ty5m8_1QgcflLfzcItDYYS8\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\na lighthouse \xc3\xbc\r\n--6ZK12J-Ty5m8_1QgcflLfzcItDYYS8\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nTURBO\r\n--6ZK12J-Ty5m8_1QgcflLfzcItDYYS8\r\nContent-Disposition: form-data; name="image"; filename="a \\"b\\" \\\\c it\'s \xc3\xbc;.png"\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--6ZK12J-Ty5m8_1QgcflLfzcItDYYS8--\r\n',
  },
  {
    client: 'Spring 4.3',
    type: 'multipart/form-data;boundary=KOalahYhQrDm5Cl_wYvhMm1bbpHKFuJ0',
    body: '--KOalahYhQrDm5Cl_wYvhMm1bbpHKFuJ0\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: 15\r\n\r\na lighthouse \xc3\xbc\r\n--KOalahYhQrDm5Cl_wYvhMm1bbpHKFuJ0\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: 5\r\n\r\nTURBO\r\n--KOalahYhQrDm5Cl_wYvhMm1bbpHKFuJ0\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\nContent-Type: application/octet-stream\r\nContent-Length: 12\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--KOalahYhQrDm5Cl_wYvhMm1bbpHKFuJ0--\r\n',
  },
  {
    client: 'OkHttp',
    type: 'multipart/form-data; boundary=9ea43494-ef48-4915-a062-d3d89e824324',
    body: '--9ea43494-ef48-4915-a062-d3d89e824324\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Length: 15\r\n\r\na lighthouse \xc3\xbc\r\n--9ea43494-ef48-4915-a062-d3d89e824324\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Length: 5\r\n\r\nTURBO\r\n--9ea43494-ef48-4915-a062-d3d89e824324\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\nContent-Type: image/png\r\nContent-Length: 12\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--9ea43494-ef48-4915-a062-d3d89e824324--\r\n',
  },
  {
    client: 'OkHttp, odd name',
    type: 'multipart/form-data; boundary=ea9aad73-2f88-4a30-8e44-168cbe746419',
    body: '--ea9aad73-2f88-4a30-8e44-168cbe746419\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Length: 15\r\n\r\na lighthouse \xc3\xbc\r\n--ea9aad73-2f88-4a30-8e44-168cbe746419\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Length: 5\r\n\r\nTURBO\r\n--ea9aad73-2f88-4a30-8e44-168cbe746419\r\nContent-Disposition: form-data; name="image"; filename="a %22b%22 \\c it\'s \xc3\xbc;.png"\r\nContent-Type: image/png\r\nContent-Length: 12\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--ea9aad73-2f88-4a30-8e44-168cbe746419--\r\n',
  },
  {
    client: "Python's email",
    type: 'multipart/form-data; boundary="===============2120065528876451424=="',
    body: '--===============2120065528876451424==\r\nContent-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 7bit\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse\r\n--===============2120065528876451424==\r\nContent-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 7bit\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--===============2120065528876451424==\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\nContent-Disposition: form-data; name="image"; filename="plain.png"\r\n\r\n\x89PNG\r\n\x1a\r\n\x00\xff--\r\n--===============2120065528876451424==--\r\n',
  },
];

/**
 * Forms of clients that put a quote into a file name as it stands: the name ends there for some readers, and is an error
 * to others, which then see no such part at all (Go).
 */
export const RECORDED_BARE_QUOTES: readonly RecordedForm[] = [
  {
    client: 'multipart-post, odd name',
    type: 'multipart/form-data; boundary=-----------RubyMultipartPost',
    body: '-------------RubyMultipartPost\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n-------------RubyMultipartPost\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n-------------RubyMultipartPost\r\nContent-Disposition: form-data; name="image"; filename="a "b" \\c it\'s \xc3\xbc;.png"\r\nContent-Length: 12\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n-------------RubyMultipartPost--\r\n\r\n',
  },
  {
    client: 'Ruby httpclient, odd name',
    type: 'multipart/form-data; boundary=045075dd85934a090bd5a21b34619ff12b121fd7',
    body: '--045075dd85934a090bd5a21b34619ff12b121fd7\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n--045075dd85934a090bd5a21b34619ff12b121fd7\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n--045075dd85934a090bd5a21b34619ff12b121fd7\r\nContent-Disposition: form-data; name="image"; filename="a "b" \\c it\'s \xc3\xbc;.png"; modification-date="Mon, 30 Nov 2026 15:35:51 +0000"; read-date="Mon, 30 Nov 2026 15:35:51 +0000"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--045075dd85934a090bd5a21b34619ff12b121fd7--\r\n\r\n',
  },
  {
    client: 'rest-client, odd name',
    type: 'multipart/form-data; boundary=----RubyFormBoundary2fLynAGRjLAObgp4',
    body: '------RubyFormBoundary2fLynAGRjLAObgp4\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse \xc3\xbc\r\n------RubyFormBoundary2fLynAGRjLAObgp4\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n------RubyFormBoundary2fLynAGRjLAObgp4\r\nContent-Disposition: form-data; name="image"; filename="a "b" \\c it\'s \xc3\xbc;.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n------RubyFormBoundary2fLynAGRjLAObgp4--\r\n',
  },
  {
    client: 'Apache HttpClient 5.2, EXTENDED, odd name',
    type: 'multipart/form-data; charset=ISO-8859-1; boundary=MYCE6tR59DRZFyvrNCDuG-oAv-LwM2eT4Cotz_L',
    body: '--MYCE6tR59DRZFyvrNCDuG-oAv-LwM2eT4Cotz_L\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n\r\na lighthouse\r\n--MYCE6tR59DRZFyvrNCDuG-oAv-LwM2eT4Cotz_L\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n\r\nTURBO\r\n--MYCE6tR59DRZFyvrNCDuG-oAv-LwM2eT4Cotz_L\r\nContent-Disposition: form-data; name="image"; filename="a%20"b"%20\\c%20it\'s%20%C3%BC;.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--MYCE6tR59DRZFyvrNCDuG-oAv-LwM2eT4Cotz_L--\r\n',
  },
  {
    client: 'Apache HttpClient 5.2, EXTENDED, UTF-8, odd name',
    type: 'multipart/form-data; boundary=ra6PyfHURViFf21OhMnbFQSH_ju9r-nvAj; charset=UTF-8',
    body: '--ra6PyfHURViFf21OhMnbFQSH_ju9r-nvAj\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\na lighthouse \xc3\xbc\r\n--ra6PyfHURViFf21OhMnbFQSH_ju9r-nvAj\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n\r\nTURBO\r\n--ra6PyfHURViFf21OhMnbFQSH_ju9r-nvAj\r\nContent-Disposition: form-data; name="image"; filename="a%20"b"%20\\c%20it\'s%20%C3%BC;.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--ra6PyfHURViFf21OhMnbFQSH_ju9r-nvAj--\r\n',
  },
  {
    client: 'Guzzle, odd name',
    type: 'multipart/form-data; boundary=c3c518023e523a348534c44b4595d269a55e115b',
    body: '--c3c518023e523a348534c44b4595d269a55e115b\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Length: 15\r\n\r\na lighthouse \xc3\xbc\r\n--c3c518023e523a348534c44b4595d269a55e115b\r\nContent-Disposition: form-data; name="rendering_speed"\r\nContent-Length: 5\r\n\r\nTURBO\r\n--c3c518023e523a348534c44b4595d269a55e115b\r\nContent-Disposition: form-data; name="image"; filename="a "b" \\c it\'s \xc3\xbc;.png"\r\nContent-Length: 12\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff--\r\n--c3c518023e523a348534c44b4595d269a55e115b--\r\n',
  },
];
