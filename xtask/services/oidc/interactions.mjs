// Sign-in and consent as plain forms, for browsers and for scripted HTTP alike:
// GET /interaction/:uid, POST …/login (login=NAME), POST …/confirm, POST …/abort.
// With `login_hint` in the authorization request a real browser sends the forms by itself: it signs in under
// that name and allows; the name `refuse` refuses.
import { escapeHtml, readBody, sendHtml } from './http.mjs';

export async function interact(provider, request, response, path) {
  const [, uid, action] = path.match(/^\/interaction\/([^/]+)(?:\/(login|confirm|abort))?$/) ?? [];
  const details = uid && await provider.interactionDetails(request, response).catch(() => undefined);
  if (!details || details.uid !== uid) {
    sendHtml(response, 400, '<p>No such sign-in, or its cookie is missing.</p>');
    return;
  }
  if (request.method === 'GET' && !action) {
    sendHtml(response, 200, page(details));
    return;
  }
  if (request.method !== 'POST' || !action) {
    sendHtml(response, 405, '<p>Not here.</p>');
    return;
  }
  const form = new URLSearchParams(await readBody(request));
  const result = await { login: signIn, confirm: consent, abort }[action](provider, details, form);
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: action === 'confirm' });
}

function page({ uid, prompt, params }) {
  const client = escapeHtml(params.client_id);
  const button = prompt.name === 'login'
    ? `<form method="post" action="/interaction/${uid}/login"><p>Sign in to ${client}</p>
       <input name="login" value="${escapeHtml(params.login_hint ?? '')}" required autofocus><button>Sign in</button></form>`
    : `<form method="post" action="/interaction/${uid}/confirm"><p>Allow ${client}: ${escapeHtml(params.scope ?? '')}</p>
       <button>Allow</button></form>`;
  return `${button}<form method="post" action="/interaction/${uid}/abort"><button>Refuse</button></form>${byItself(params.login_hint)}`;
}

function byItself(hint) {
  return hint ? `<script>document.forms[${hint === 'refuse' ? 1 : 0}].submit()</script>` : '';
}

async function signIn(_provider, _details, form) {
  return { login: { accountId: form.get('login') || 'someone' } };
}

async function consent(provider, { prompt, params, session, grantId }) {
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details;
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(' '));
  }
  return { consent: { grantId: await grant.save() } };
}

async function abort() {
  return { error: 'access_denied', error_description: 'the person refused' };
}
