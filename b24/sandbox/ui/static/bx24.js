/*
 * BX24 object of the sandbox portal; stands where //api.bitrix24.com/api/v1/ stands on a real portal.
 *
 * The page learns its portal from the frame's name ("host|protocol|app sid") and talks to the parent window in
 * strings "command:JSON:callback:app sid", answered by "callback:JSON". REST calls go straight to /rest/ of the
 * portal with the token received at start, form-encoded in PHP notation.
 * Source: sdk/bx24-js-sdk of the official documentation.
 */
(function () {
  'use strict';
  if (window.BX24) return;

  var PARAMS = { DOMAIN: '', PROTOCOL: 0, APP_SID: '', PATH: '/rest', LANG: '' };
  var auth = { id: '', refresh: '', expires: 0, member: '' };
  var placement = { placement: 'DEFAULT', options: {} };
  var state = { loaded: false, ready: false, installing: false, installed: false, inited: false, requested: false };
  var flags = { admin: false, install: false, firstRun: false };
  var options = { app: {}, user: {} };
  var waiting = { init: [], install: [], calls: [], dom: [] };
  var callbacks = {};
  var proxies = [];
  var currentContext = null;
  var lastKey = 0;

  // ---- the parent window -------------------------------------------------------------------------------------

  function readFrameName() {
    var parts = (window.name || '').split('|');
    var query = new URLSearchParams(window.location.search);
    PARAMS.DOMAIN = (parts[0] || query.get('DOMAIN') || '').replace(/:(80|443)$/, '');
    PARAMS.PROTOCOL = parseInt(parts[1] || query.get('PROTOCOL') || '0', 10) || 0;
    PARAMS.APP_SID = parts[2] || query.get('APP_SID') || '';
    return PARAMS.DOMAIN !== '' && PARAMS.APP_SID !== '';
  }

  function origin() {
    return (PARAMS.PROTOCOL ? 'https' : 'http') + '://' + PARAMS.DOMAIN;
  }

  function remember(callback, many) {
    if (typeof callback !== 'function') return '';
    lastKey += 1;
    var key = 'bx24cb' + lastKey + Math.random().toString(36).slice(2, 8);
    callbacks[key] = { run: callback, many: !!many };
    return key;
  }

  function sendMessage(command, params, callback, many) {
    var body = params === null || params === undefined ? '' : JSON.stringify(params);
    if (!PARAMS.APP_SID) return;
    window.parent.postMessage([command, body, remember(callback, many), PARAMS.APP_SID].join(':'), origin());
  }

  function receiveMessage(event) {
    if (event.origin !== origin() || typeof event.data !== 'string') return;
    var cut = event.data.indexOf(':');
    var key = cut < 0 ? event.data : event.data.slice(0, cut);
    var found = callbacks[key];
    if (!found) return;
    if (!found.many) delete callbacks[key];
    var text = cut < 0 ? '' : event.data.slice(cut + 1);
    found.run(text === '' ? undefined : JSON.parse(text));
  }

  // ---- start: data of the portal, first run, init ------------------------------------------------------------

  function takeAuth(data) {
    auth.id = data.AUTH_ID;
    auth.refresh = data.REFRESH_ID;
    auth.expires = Date.now() + parseInt(data.AUTH_EXPIRES, 10) * 1000;
  }

  function takeInitData(data) {
    takeAuth(data);
    auth.member = data.MEMBER_ID;
    PARAMS.LANG = data.LANG;
    PARAMS.PATH = data.PATH;
    PARAMS.PROTOCOL = parseInt(data.PROTOCOL, 10) || 0;
    flags = { admin: !!data.IS_ADMIN, install: !!data.INSTALL, firstRun: !!data.FIRST_RUN };
    options = { app: data.APP_OPTIONS || {}, user: data.USER_OPTIONS || {} };
    placement = { placement: data.PLACEMENT || 'DEFAULT', options: data.PLACEMENT_OPTIONS || {} };
    state.loaded = true;
    flushCalls();
    runInstall();
  }

  function flushCalls() {
    var queue = waiting.calls;
    waiting.calls = [];
    queue.forEach(function (call) { call(); });
  }

  function runInstall() {
    if (flags.firstRun) sendMessage('setInstall', { install: true });
    if (!flags.firstRun || waiting.install.length === 0) { runInit(); return; }
    state.installing = true;
    var handlers = waiting.install;
    waiting.install = [];
    handlers.forEach(function (handler) { runInstallHandler(handler); });
  }

  function runInstallHandler(handler) {
    if (typeof handler === 'string') BX24.loadScript(handler, BX24.installFinish);
    else handler();
  }

  function runInit() {
    state.inited = true;
    var handlers = waiting.init;
    waiting.init = [];
    handlers.forEach(function (handler) { handler(); });
  }

  function requestInitData() {
    if (state.requested) return;
    state.requested = true;
    sendMessage('getInitData', null, takeInitData);
  }

  // ---- REST --------------------------------------------------------------------------------------------------

  function flatten(value, name, pairs) {
    if (value === null || value === undefined) { pairs.push([name, '']); return; }
    if (typeof value === 'boolean') { pairs.push([name, value ? '1' : '0']); return; }
    if (value instanceof Date) { pairs.push([name, value.toISOString()]); return; }
    if (value && value.nodeType === 1 && 'value' in value) { pairs.push([name, value.value]); return; }
    if (typeof value !== 'object') { pairs.push([name, String(value)]); return; }
    Object.keys(value).forEach(function (key) {
      flatten(value[key], name === '' ? key : name + '[' + key + ']', pairs);
    });
  }

  function encode(params) {
    var pairs = [];
    flatten(params || {}, '', pairs);
    return pairs.map(function (pair) {
      return encodeURIComponent(pair[0]) + '=' + encodeURIComponent(pair[1]);
    }).join('&');
  }

  function AjaxError(status, ex) {
    this.status = status;
    this.ex = ex;
  }
  AjaxError.prototype.getError = function () { return this.ex; };
  AjaxError.prototype.getStatus = function () { return this.status; };
  AjaxError.prototype.toString = function () {
    var about = this.ex || {};
    var text = about.error_description ? about.error + ': ' + about.error_description : String(about.error);
    return text + ' (' + this.status + ')';
  };

  function AjaxResult(answer, request, status) {
    this.answer = answer;
    this.request = request;
    this.status = status;
  }
  AjaxResult.prototype.data = function () { return this.answer.result; };
  AjaxResult.prototype.error = function () {
    if (!('error' in this.answer)) return undefined;
    var about = this.answer.error;
    if (about !== null && typeof about === 'object') return new AjaxError(this.status, about);
    return new AjaxError(this.status, { error: about, error_description: this.answer.error_description });
  };
  AjaxResult.prototype.error_description = function () { return this.answer.error_description; };
  AjaxResult.prototype.more = function () { return !isNaN(parseInt(this.answer.next, 10)); };
  AjaxResult.prototype.total = function () { return parseInt(this.answer.total, 10); };
  AjaxResult.prototype.time = function () { return this.answer.time; };
  AjaxResult.prototype.next = function (callback) {
    if (!this.more()) return false;
    var params = Object.assign({}, this.request.params, { start: parseInt(this.answer.next, 10) });
    return BX24.callMethod(this.request.method, params, callback || this.request.callback);
  };

  function parse(xhr) {
    try {
      return JSON.parse(xhr.responseText);
    } catch (problem) {
      return { error: 'ERROR_UNEXPECTED_ANSWER', error_description: 'Server returned an unexpected response.' };
    }
  }

  function send(request, retried) {
    var xhr = new XMLHttpRequest();
    xhr.open('POST', origin() + PARAMS.PATH + '/' + encodeURIComponent(request.method) + '.json', true);
    xhr.setRequestHeader('Content-Type', 'application/x-www-form-urlencoded');
    xhr.onload = function () {
      var answer = parse(xhr);
      if (answer.error === 'expired_token' && !retried) {
        BX24.refreshAuth(function () { send(request, true); });
        return;
      }
      request.done(new AjaxResult(answer, request, xhr.status));
    };
    xhr.onerror = function () {
      request.done(new AjaxResult({ error: 'ERROR_NETWORK', error_description: 'Network error' }, request, 0));
    };
    xhr.send(encode(Object.assign({}, request.params, { auth: auth.id })));
    return xhr;
  }

  function start(request) {
    if (!state.loaded) { waiting.calls.push(function () { start(request); }); return undefined; }
    if (auth.expires <= Date.now()) { BX24.refreshAuth(function () { send(request); }); return undefined; }
    return send(request);
  }

  function batchCommands(calls) {
    var commands = Array.isArray(calls) ? [] : {};
    Object.keys(calls).forEach(function (key) {
      var call = calls[key];
      var method = Array.isArray(call) ? call[0] : call.method;
      var params = Array.isArray(call) ? call[1] : call.params;
      commands[key] = { method: method, params: params || {}, text: method + '?' + encode(params) };
    });
    return commands;
  }

  function batchResults(commands, whole) {
    var results = Array.isArray(commands) ? [] : {};
    var data = whole.data() || {};
    function part(name, key) { return (data[name] || {})[key]; }
    Object.keys(commands).forEach(function (key) {
      var failure = part('result_error', key);
      var hasResult = part('result', key) !== undefined;
      if (failure === undefined && !hasResult) return;
      var answer = { result: part('result', key), total: part('result_total', key), next: part('result_next', key) };
      answer.time = part('result_time', key);
      if (failure !== undefined) Object.assign(answer, failure);
      results[key] = new AjaxResult(answer, commands[key], whole.status);
    });
    return results;
  }

  // ---- the page ----------------------------------------------------------------------------------------------

  function domReady() {
    if (state.ready) return;
    state.ready = true;
    waiting.dom.splice(0).forEach(function (handler) { handler(); });
  }

  function eventNames(name) {
    if (name === 'mousewheel') return ['mousewheel', 'DOMMouseScroll'];
    if (name === 'transitionend') return ['transitionend', 'webkitTransitionEnd', 'msTransitionEnd', 'oTransitionEnd'];
    return [name];
  }

  function loadScripts(list, done) {
    if (list.length === 0) { if (done) done(); return; }
    var tag = document.createElement('script');
    tag.src = list[0];
    tag.onload = tag.onerror = function () { loadScripts(list.slice(1), done); };
    document.head.appendChild(tag);
  }

  function setOption(kind, command) {
    return function (name, value, callback) {
      options[kind][name] = value;
      sendMessage(command, { name: name, value: value }, function (stored) {
        if (stored && typeof stored === 'object') options[kind] = stored;
        if (typeof callback === 'function') callback(options[kind]);
      });
    };
  }

  window.BX24 = {
    init: function (handler) {
      if (state.inited) { handler(); return; }
      waiting.init.push(handler);
      BX24.ready(requestInitData);
    },
    install: function (handler) {
      if (!state.loaded) { waiting.install.push(handler); BX24.ready(requestInitData); return; }
      if (flags.firstRun && !state.installed) runInstallHandler(handler);
    },
    installFinish: function () {
      if (flags.install) { sendMessage('setInstallFinish', {}); return; }
      if (!state.installing || state.installed) return;
      state.installed = true;
      runInit();
    },
    getAuth: function () {
      if (!state.loaded || auth.expires <= Date.now()) return false;
      return {
        access_token: auth.id, refresh_token: auth.refresh, expires_in: auth.expires,
        domain: PARAMS.DOMAIN, member_id: auth.member
      };
    },
    refreshAuth: function (callback) {
      sendMessage('refreshAuth', {}, function (data) {
        takeAuth(data);
        if (typeof callback === 'function') callback(BX24.getAuth());
      });
    },
    callMethod: function (method, params, callback) {
      var request = { method: method, params: params || {}, callback: callback };
      request.done = function (result) { if (typeof callback === 'function') callback(result); };
      return start(request);
    },
    callBatch: function (calls, callback, haltOnError) {
      var commands = batchCommands(calls);
      var cmd = Array.isArray(calls) ? [] : {};
      Object.keys(commands).forEach(function (key) { cmd[key] = commands[key].text; });
      var request = { method: 'batch', params: { halt: haltOnError ? 1 : 0, cmd: cmd } };
      request.done = function (whole) {
        if (typeof callback === 'function') callback(whole.error() ? whole : batchResults(commands, whole));
      };
      return start(request);
    },
    callBind: function (event, handler, authType, callback) {
      return BX24.callMethod('event.bind', { event: event, handler: handler, auth_type: authType || 0 }, callback);
    },
    callUnbind: function (event, handler, authType, callback) {
      return BX24.callMethod('event.unbind', { event: event, handler: handler, auth_type: authType || 0 }, callback);
    },
    isAdmin: function () { return flags.admin; },
    getLang: function () { return PARAMS.LANG; },
    getDomain: function () { return PARAMS.DOMAIN; },
    appOption: {
      get: function (name) { return options.app[name]; },
      set: setOption('app', 'setAppOption')
    },
    userOption: {
      get: function (name) { return options.user[name]; },
      set: setOption('user', 'setUserOption')
    },
    resizeWindow: function (width, height, callback) {
      if (parseInt(height, 10) > 0) sendMessage('resizeWindow', { width: width, height: parseInt(height, 10) }, callback);
    },
    fitWindow: function (callback) {
      BX24.resizeWindow('100%', BX24.getScrollSize().scrollHeight, callback);
    },
    reloadWindow: function (callback) { sendMessage('reloadWindow', {}, callback); },
    setTitle: function (title, callback) { sendMessage('setTitle', { title: String(title) }, callback); },
    scrollParentWindow: function (scroll, callback) {
      var top = parseInt(scroll, 10);
      if (!isNaN(top)) sendMessage('setScroll', { scroll: Math.max(0, top) }, callback);
    },
    openApplication: function (params, closeCallback, settings) {
      var all = Object.assign({}, params);
      Object.keys(settings || {}).forEach(function (key) { all['bx24_' + key] = settings[key]; });
      sendMessage('openApplication', all, closeCallback);
    },
    closeApplication: function (callback) { sendMessage('closeApplication', {}, callback); },
    openPath: function (path, callback) { sendMessage('openPath', { path: path }, callback); },
    selectUser: function (callback) { sendMessage('selectUser', { mult: false }, callback); },
    selectUsers: function (callback) { sendMessage('selectUser', { mult: true }, callback); },
    selectCRM: function (params, callback) { sendMessage('selectCRM', params || {}, callback); },
    placement: {
      info: function () { return { placement: placement.placement, options: placement.options }; },
      getInterface: function (callback) { sendMessage('getInterface', {}, callback); },
      call: function (command, params, callback) { sendMessage(command, params, callback); },
      bindEvent: function (event, callback) { sendMessage('placementBindEvent', { event: event }, callback, true); }
    },
    im: {
      callTo: function (user, video) { sendMessage('imCallTo', { userId: user, video: video !== false }); },
      phoneTo: function (phone) { sendMessage('imPhoneTo', { phone: phone }); },
      openMessenger: function (dialog) { sendMessage('imOpenMessenger', { dialogId: dialog }); },
      openHistory: function (dialog) { sendMessage('imOpenHistory', { dialogId: dialog }); }
    },
    ready: function (handler) {
      if (typeof handler !== 'function') return;
      if (state.ready) handler();
      else waiting.dom.push(handler);
    },
    isReady: function () { return state.ready; },
    bind: function (element, name, handler) {
      eventNames(name).forEach(function (one) { element.addEventListener(one, handler); });
    },
    unbind: function (element, name, handler) {
      eventNames(name).forEach(function (one) { element.removeEventListener(one, handler); });
    },
    proxy: function (func, context) {
      var known = proxies.find(function (one) { return one.func === func && one.context === context; });
      if (known) return known.proxy;
      var made = function () {
        var before = currentContext;
        currentContext = this;
        try { return func.apply(context, arguments); } finally { currentContext = before; }
      };
      proxies.push({ func: func, context: context, proxy: made });
      return made;
    },
    proxyContext: function () { return currentContext; },
    loadScript: function (script, callback) {
      BX24.ready(function () { loadScripts([].concat(script), callback); });
    },
    getScrollSize: function () {
      var body = document.body;
      var root = document.documentElement;
      return {
        scrollWidth: Math.max(root.scrollWidth, root.offsetWidth),
        scrollHeight: Math.max(root.offsetHeight, body.scrollHeight, body.offsetHeight)
      };
    }
  };

  if (readFrameName()) window.addEventListener('message', receiveMessage);
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', domReady);
  else domReady();
})();
