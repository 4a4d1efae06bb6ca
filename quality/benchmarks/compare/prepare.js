// Verify and validate a posted lead. Returns the bodies of Lead Leader's two calls; raises an error for a bad lead.
// n8n and Node-RED run this same function. The tool supplies `crypto`; `secret` is written in front of it.
function prepare(headers, lead) {
  const given = Buffer.from(String(headers['x-webhook-token'] || ''));
  const expected = Buffer.from(secret.webhook_token);
  if (given.length !== expected.length || !crypto.timingSafeEqual(given, expected)) {
    throw new Error('the webhook token is wrong');
  }
  const person = lead.person || {};
  const loan = lead.loan || {};
  const phone = String(person.phone || '').replace(/[^0-9+]/g, '');
  const wrong = [];
  if (!/^\+380[0-9]{9}$/.test(phone)) wrong.push('person.phone');
  if (!/^[0-9]{10}$/.test(String(person.tax_number || ''))) wrong.push('person.tax_number');
  if (!String(person.full_name || '').trim()) wrong.push('person.full_name');
  if (!String(person.activity || '').trim()) wrong.push('person.activity');
  if (!/^[0-9]{1,14}(\.[0-9]{1,2})?$/.test(String(loan.amount)) || !(Number(loan.amount) > 0)) wrong.push('loan.amount');
  if (!Number.isInteger(loan.term) || loan.term <= 0) wrong.push('loan.term');
  if (wrong.length) throw new Error('wrong fields: ' + wrong.join(', '));

  const encrypt = (text) =>
    crypto
      .publicEncrypt(
        { key: secret.partner_public_key, padding: crypto.constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
        Buffer.from(text),
      )
      .toString('base64');
  const sign = (text) => Array.from(crypto.sign('RSA-SHA1', Buffer.from(text), secret.private_key));
  const clientInfo = {
    PIB: person.full_name,
    telephone: phone.slice(3),
    stateCode: String(person.tax_number),
    activity: person.activity,
  };
  for (const name of ['email', 'city', 'region']) if (person[name]) clientInfo[name] = person[name];
  return {
    authorization: {
      encrypted_email: encrypt(secret.email),
      encrypted_password: encrypt(secret.password),
      signed_email: sign(secret.email),
      signed_password: sign(secret.password),
    },
    deal: { clientInfo, termin: loan.term, summa: Number(loan.amount) },
  };
}
