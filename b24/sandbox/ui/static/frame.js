/*
 * The portal's side of an application frame: opens it by a form POST and answers what the page inside asks.
 *
 * Messages come as "command:JSON:callback:app sid" (or an object with method for newer commands) and are answered
 * with "callback:JSON". Only the frame's own window, origin and sid are listened to.
 */
(function () {
  'use strict';

  /* Where reloadData is registered: api-reference/widgets/ui-interaction/index.md. */
  var RELOADING = /^CRM_.+_(DETAIL_TAB|DETAIL_ACTIVITY|LIST_MENU)$/;
  var frames = {};

  function split(text) {
    var parts = text.split(':');
    if (parts.length < 2) return null;
    var sid = parts[parts.length - 1];
    var key = parts.length > 2 ? parts[parts.length - 2] : '';
    return { command: parts[0], params: parts.slice(1, -2).join(':'), key: key, sid: sid };
  }

  function decode(text) {
    if (text === '') return {};
    try {
      return JSON.parse(text);
    } catch (problem) {
      return text;
    }
  }

  function answerTo(frame, key) {
    return function (result) {
      if (!key || !frame.node.contentWindow) return;
      var body = result === undefined ? '' : JSON.stringify(result);
      frame.node.contentWindow.postMessage(key + ':' + body, frame.origin);
    };
  }

  function receive(event) {
    if (typeof event.data !== 'string') return;
    var message = split(event.data);
    var frame = message && frames[message.sid];
    if (!frame || event.source !== frame.node.contentWindow || event.origin !== frame.origin) return;
    if (!Object.prototype.hasOwnProperty.call(commands, message.command)) return;
    commands[message.command](frame, decode(message.params), answerTo(frame, message.key));
  }

  function post(frame, action, body) {
    return fetch('/sandbox/frame/' + frame.appId + '/' + action, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body || {})
    }).then(function (answer) {
      if (!answer.ok) throw new Error('frame ' + action + ': ' + answer.status);
      return answer.json();
    });
  }

  function report(problem) {
    if (window.Portal) window.Portal.notice(String(problem.message || problem), true);
  }

  function resize(frame, params, done) {
    var height = parseInt(params.height, 10);
    var width = params.width === '100%' ? '100%' : (parseInt(params.width, 10) || 100) + 'px';
    frame.node.style.width = width;
    frame.node.style.maxWidth = '100%';
    if (height > 0) frame.node.style.height = height + 'px';
    done({ width: frame.node.offsetWidth, height: frame.node.offsetHeight });
  }

  function openPath(frame, params, done) {
    var url = new URL(String(params.path || ''), window.location.origin);
    var allowed = /^\/(crm\/(deal|lead|contact|company|type)|marketplace|company\/personal\/user\/\d+|workgroups\/group\/\d+)\//;
    if (url.origin !== window.location.origin || !allowed.test(url.pathname)) {
      done({ result: 'error', errorCode: 'PATH_NOT_AVAILABLE' });
      return;
    }
    url.searchParams.set('from', 'rest_placement');
    url.searchParams.set('from_app', frame.appId);
    window.Portal.slider(url.pathname + url.search, function () { done({ result: 'close' }); });
  }

  function openApplication(frame, params, done) {
    var query = new URLSearchParams({ params: JSON.stringify(params) });
    window.Portal.slider('/marketplace/app/' + frame.appId + '/?' + query, done, params.bx24_width);
  }

  /* The dialog of BX24.selectUser: one colleague or several; closing it without a choice answers nothing. */
  function selectUser(frame, params, done) {
    fetch('/sandbox/ui/colleagues').then(function (answer) { return answer.json(); }).then(function (data) {
      var dialog = document.createElement('dialog');
      dialog.setAttribute('aria-label', params.mult ? 'Выбор сотрудников' : 'Выбор сотрудника');
      dialog.innerHTML = '<form method="dialog" class="stack"><label>Сотрудник <select size="12"></select></label>' +
        '<button value="choose" class="primary">Выбрать</button> <button value="">Отмена</button></form>';
      var list = dialog.querySelector('select');
      list.multiple = !!params.mult;
      data.colleagues.forEach(function (one, at) { list.add(new Option(one.name + ' · ' + one.position, String(at))); });
      dialog.addEventListener('close', function () {
        var chosen = Array.from(list.selectedOptions, function (one) { return data.colleagues[Number(one.value)]; });
        dialog.remove();
        if (dialog.returnValue === 'choose' && chosen.length) done(params.mult ? chosen : chosen[0]);
      });
      document.body.appendChild(dialog);
      dialog.showModal();
    }).catch(report);
  }

  /* The dialog of BX24.selectCRM: cards of the wanted types, one or several, found by typing. */
  function selectCRM(frame, params, done) {
    var types = [].concat(params.entityType || []).map(String);
    var chosen = {};
    var dialog = document.createElement('dialog');
    dialog.setAttribute('aria-label', 'Выбор из CRM');
    dialog.innerHTML = '<form method="dialog" class="stack"><label>Найти <input type="search" name="q" autocomplete="off"></label>' +
      '<label>Найдено <select size="10"></select></label><p>Выбрано: <span data-chosen>ничего</span></p>' +
      '<button value="choose" class="primary">Выбрать</button> <button value="">Отмена</button></form>';
    var list = dialog.querySelector('select');
    var shown = {};

    function key(one) { return one.type + one.id; }

    function take(found, only) {
      found.forEach(function (one) { shown[key(one)] = one; if (only) chosen[key(one)] = one; });
      list.replaceChildren.apply(list, found.map(function (one) { return new Option(one.title, key(one)); }));
      tell();
    }

    function tell() {
      var titles = Object.keys(chosen).map(function (one) { return chosen[one].title; });
      dialog.querySelector('[data-chosen]').textContent = titles.join(', ') || 'ничего';
    }

    function look(text, value) {
      var query = new URLSearchParams({ types: types.join(','), q: text, value: value ? JSON.stringify(value) : '' });
      return fetch('/sandbox/ui/crm-search?' + query).then(function (answer) { return answer.json(); });
    }

    function answer() {
      var result = {};
      types.forEach(function (type) { result[type] = []; });
      Object.keys(chosen).forEach(function (one) { result[chosen[one].type].push(chosen[one]); });
      return result;
    }

    list.addEventListener('change', function () {
      if (!params.multiple) chosen = {};
      Array.from(list.selectedOptions).forEach(function (one) {
        if (params.multiple && chosen[one.value]) delete chosen[one.value];
        else chosen[one.value] = shown[one.value];
      });
      tell();
    });
    dialog.querySelector('[type=search]').addEventListener('input', function (event) {
      look(event.target.value).then(function (data) { take(data.found); }, report);
    });
    dialog.addEventListener('close', function () {
      dialog.remove();
      if (dialog.returnValue === 'choose') done(answer());
    });
    document.body.appendChild(dialog);
    dialog.showModal();
    (params.multiple && params.value ? look('', params.value).then(function (data) { take(data.found, true); }) : Promise.resolve())
      .then(function () { return look(''); }).then(function (data) { take(data.found); }, report);
  }

  var commands = {
    getInitData: function (frame, params, done) { done(frame.init); },
    refreshAuth: function (frame, params, done) {
      post(frame, 'refresh').then(function (tokens) { Object.assign(frame.init, tokens); done(tokens); }, report);
    },
    setInstall: function (frame, params, done) {
      post(frame, 'first-run').then(function () { frame.init.FIRST_RUN = false; done(true); }, report);
    },
    setInstallFinish: function (frame, params, done) {
      post(frame, 'install-finish').then(function (result) {
        done(true);
        window.location.assign(result.redirect);
      }, report);
    },
    setAppOption: function (frame, params, done) {
      post(frame, 'app-option', params).then(function (all) { frame.init.APP_OPTIONS = all; done(all); }, report);
    },
    setUserOption: function (frame, params, done) {
      post(frame, 'user-option', params).then(function (all) { frame.init.USER_OPTIONS = all; done(all); }, report);
    },
    resizeWindow: resize,
    reloadWindow: function () { window.location.reload(); },
    setTitle: function (frame, params, done) {
      var title = document.getElementById('pagetitle');
      if (title) title.textContent = String(params.title || '');
      done(true);
    },
    setScroll: function (frame, params, done) {
      window.scrollTo(0, parseInt(params.scroll, 10) || 0);
      done(true);
    },
    openApplication: openApplication,
    closeApplication: function () { window.Portal.closeSlider(); },
    openPath: openPath,
    selectUser: selectUser,
    selectCRM: selectCRM,
    getInterface: function (frame, params, done) {
      done({ command: RELOADING.test(frame.init.PLACEMENT) ? ['reloadData'] : [], event: [] });
    },
    placementBindEvent: function () { /* no events are registered at these placements: ignored, as documented */ },
    reloadData: function (frame, params, done) {
      if (RELOADING.test(frame.init.PLACEMENT)) window.Portal.refresh().then(function () { done(); });
    },
    imCallTo: function () { window.Portal.notice('Звонки в учебном портале не работают'); },
    imPhoneTo: function () { window.Portal.notice('Телефония в учебном портале не работает'); },
    imOpenMessenger: function () { window.Portal.notice('Мессенджера в учебном портале нет'); },
    imOpenHistory: function () { window.Portal.notice('Мессенджера в учебном портале нет'); }
  };

  function form(opened) {
    var node = document.createElement('form');
    node.method = 'post';
    node.action = opened.action;
    node.target = opened.name;
    node.hidden = true;
    Object.keys(opened.fields).forEach(function (name) {
      var input = document.createElement('input');
      input.type = 'hidden';
      input.name = name;
      input.value = opened.fields[name];
      node.appendChild(input);
    });
    return node;
  }

  /* Puts an iframe into the element and posts the opened application into it. */
  function show(place, opened) {
    var node = document.createElement('iframe');
    node.name = opened.name;
    node.title = opened.title;
    node.className = 'app-frame';
    node.setAttribute('allow', 'camera; microphone; geolocation; fullscreen; clipboard-read; clipboard-write');
    place.replaceChildren(node);
    frames[opened.sid] = {
      sid: opened.sid, node: node, appId: opened.app_id, init: opened.init, origin: new URL(opened.action).origin
    };
    var sender = form(opened);
    place.appendChild(sender);
    sender.submit();
  }

  /* A tab or a background worker is told the page it stands on, a page of its own where the user came from. */
  function address(place) {
    var url = new URL('cameFrom' in place.dataset && document.referrer || window.location.href);
    return url.origin === window.location.origin ? url.pathname + url.search : '/';
  }

  /* Asks the portal to open an application (placement id or the application's own page) inside the element. */
  function open(place) {
    if (place.dataset.opened) return;
    place.dataset.opened = '1';
    fetch('/sandbox/frame/open', {
      method: 'POST', headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        app_id: place.dataset.app, placement_id: place.dataset.placement || null,
        item_id: place.dataset.item || null, activity_id: place.dataset.activity || null, uri: address(place),
        params: place.dataset.params || null
      })
    }).then(function (answer) {
      return answer.json().then(function (body) {
        if (!answer.ok) throw new Error(body.message);
        show(place, body);
      });
    }).catch(function (problem) {
      delete place.dataset.opened;
      var text = document.createElement('p');
      text.className = 'empty';
      text.textContent = String(problem.message || problem);
      place.replaceChildren(text);
    });
  }

  window.addEventListener('message', receive);
  window.AppFrame = { open: open };
  document.addEventListener('DOMContentLoaded', function () {
    document.querySelectorAll('[data-frame-now]').forEach(open);
  });
})();
