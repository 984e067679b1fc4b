/*
 * Behaviour of the portal's pages: slider, tabs, kanban moves, editing a field, notices.
 *
 * Runs before the body is there and listens at the document: a page can be used as soon as it can be seen.
 */
(function () {
  'use strict';

  var FOLLOW_MS = 4000;
  var noticeTimer = 0;

  function notice(text, bad) {
    var node = document.getElementById('notice');
    node.textContent = text;
    node.className = bad ? 'bad' : '';
    node.hidden = false;
    clearTimeout(noticeTimer);
    noticeTimer = setTimeout(function () { node.hidden = true; }, 6000);
  }

  function post(url, body) {
    return fetch(url, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body)
    }).then(function (answer) {
      return answer.json().then(function (data) {
        if (!answer.ok) throw Object.assign(new Error(data.message || 'Не получилось'), { ask: data.ask });
        return data;
      });
    });
  }

  /* A refused move: the stage asks for something first, or the portal says why not. */
  function refusedMove(problem) {
    if (problem.ask) slider(problem.ask);
    else notice(problem.message, true);
  }

  // ---- slider ----

  function withFrame(href) {
    var url = new URL(href, window.location.origin);
    url.searchParams.set('IFRAME', 'Y');
    url.searchParams.set('IFRAME_TYPE', 'SIDE_SLIDER');
    return url.pathname + url.search;
  }

  function slider(href, onClose, width, title) {
    var before = document.activeElement;
    var shade = document.createElement('div');
    shade.className = 'shade';
    shade.innerHTML = '<div class="slide" role="dialog" aria-modal="true" aria-label="Карточка">' +
      '<button class="close" aria-label="Закрыть">×</button><iframe title="Карточка"></iframe></div>';
    if (title) {
      shade.firstChild.setAttribute('aria-label', title);
      shade.querySelector('iframe').title = title;
    }
    if (parseInt(width, 10) > 0) shade.firstChild.style.width = 'min(' + parseInt(width, 10) + 'px, calc(100vw - 90px))';
    shade.querySelector('iframe').src = withFrame(href);
    shade.closeSlide = function () {
      shade.remove();
      if (before && before.focus) before.focus();
      if (shade.changed && !onClose) window.location.reload();
      if (onClose) onClose();
    };
    shade.addEventListener('click', function (event) { if (event.target === shade) shade.closeSlide(); });
    shade.querySelector('.close').addEventListener('click', shade.closeSlide);
    document.body.appendChild(shade);
    shade.querySelector('.close').focus();
    return shade;
  }

  function topSlide() {
    var all = document.querySelectorAll('.shade');
    return all[all.length - 1];
  }

  function tellParent(what) {
    if (document.body.dataset.slider === 'Y' && window.parent !== window) window.parent.postMessage({ portal: what }, window.location.origin);
  }

  function closeSlider() {
    var mine = topSlide();
    if (mine) mine.closeSlide();
    else tellParent('close');
  }

  window.addEventListener('message', function (event) {
    if (event.origin !== window.location.origin || !event.data || !event.data.portal) return;
    var mine = topSlide();
    if (!mine || event.source !== mine.querySelector('iframe').contentWindow) return;
    if (event.data.portal === 'changed') { mine.changed = true; tellParent('changed'); }
    if (event.data.portal === 'refresh') refresh();
    if (event.data.portal === 'close') mine.closeSlide();
  });

  document.addEventListener('keydown', function (event) {
    if (event.key !== 'Escape') return;
    if (closeMenus(null)) return;
    if (topSlide()) topSlide().closeSlide();
    else tellParent('close');
  });

  /* Menus of applications' items: a click elsewhere or Escape closes them. Tells whether one was open. */
  function closeMenus(except) {
    var open = Array.from(document.querySelectorAll('details.drop[open]')).filter(function (one) { return one !== except; });
    open.forEach(function (one) {
      if (one.contains(document.activeElement)) one.firstElementChild.focus();
      one.open = false;
    });
    return open.length > 0;
  }

  document.addEventListener('click', function (event) {
    closeMenus(event.target.closest && event.target.closest('details.drop > summary') && event.target.closest('details.drop'));
    var link = event.target.closest && event.target.closest('a[data-slide]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    slider(link.getAttribute('href'), null, 0, link.textContent.trim());
  });

  // ---- tabs ----

  function selectTab(tab) {
    tab.parentNode.querySelectorAll('[role=tab]').forEach(function (one) {
      var chosen = one === tab;
      one.setAttribute('aria-selected', String(chosen));
      one.tabIndex = chosen ? 0 : -1;
      document.getElementById(one.getAttribute('aria-controls')).hidden = !chosen;
    });
    var frame = document.getElementById(tab.getAttribute('aria-controls')).querySelector('[data-frame]');
    if (frame) window.AppFrame.open(frame);
    history.replaceState(null, '', '#' + tab.id);
  }

  document.addEventListener('click', function (event) {
    if (event.target.matches('[role=tab]')) selectTab(event.target);
  });

  document.addEventListener('keydown', function (event) {
    var step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !event.target.matches('[role=tab]')) return;
    var tabs = Array.from(event.target.parentNode.querySelectorAll('[role=tab]'));
    var next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
    next.focus();
    selectTab(next);
  });

  // ---- kanban ----

  var dragged = null;
  var movesOnTheWay = 0;

  function count(column, change) {
    var node = column.querySelector('[data-count]');
    node.textContent = String(parseInt(node.textContent, 10) + change);
  }

  function moveCard(card, target) {
    var from = card.closest('.column');
    if (!target || target === from) return;
    var board = card.closest('.kanban');
    var place = card.nextSibling;
    var home = card.parentNode;
    target.querySelector('.cards').prepend(card);
    count(from, -1);
    count(target, 1);
    movesOnTheWay += 1;
    post('/sandbox/ui/move', {
      entityTypeId: board.dataset.type, id: card.dataset.id, stageId: target.dataset.stage
    }).then(function () {
      card.dataset.stage = target.dataset.stage;
    }).catch(function (problem) {
      var focused = card.contains(document.activeElement);
      home.insertBefore(card, place);
      if (focused) card.querySelector('a').focus();
      count(from, 1);
      count(target, -1);
      refusedMove(problem);
    }).finally(function () { movesOnTheWay -= 1; });
  }

  function unmark() {
    document.querySelectorAll('.over').forEach(function (one) { one.classList.remove('over'); });
  }

  document.addEventListener('dragstart', function (event) {
    dragged = event.target.closest && event.target.closest('.card[draggable]');
    if (!dragged) return;
    event.dataTransfer.setData('text/plain', dragged.dataset.id);
    dragged.classList.add('moving');
  });

  document.addEventListener('dragend', function () {
    if (dragged) dragged.classList.remove('moving');
    dragged = null;
    unmark();
  });

  document.addEventListener('dragover', function (event) {
    var column = dragged && event.target.closest('.column');
    if (!column) return;
    event.preventDefault();
    unmark();
    column.querySelector('.cards').classList.add('over');
  });

  document.addEventListener('drop', function (event) {
    var column = dragged && event.target.closest('.column');
    if (!column) return;
    event.preventDefault();
    moveCard(dragged, column);
  });

  document.addEventListener('keydown', function (event) {
    var card = event.target.closest('.card[draggable]');
    if (!card || !event.altKey || (event.key !== 'ArrowRight' && event.key !== 'ArrowLeft')) return;
    event.preventDefault();
    var column = card.closest('.column');
    moveCard(card, event.key === 'ArrowRight' ? column.nextElementSibling : column.previousElementSibling);
    card.querySelector('a').focus();
  });

  document.addEventListener('click', function (event) {
    var button = event.target.closest('[data-more]');
    if (button) loadMore(button);
  });

  function loadMore(button) {
    var query = new URLSearchParams(window.location.search);
    ['type', 'category', 'stage', 'below'].forEach(function (name) { query.set(name, button.dataset[name]); });
    button.disabled = true;
    button.closest('.column').dataset.expanded = '1';
    fetch('/sandbox/ui/column?' + query).then(function (answer) {
      if (!answer.ok) throw new Error('Не получилось загрузить карточки');
      return answer.text();
    }).then(function (html) {
      button.insertAdjacentHTML('beforebegin', html);
      button.remove();
    }).catch(function (problem) {
      button.disabled = false;
      notice(problem.message, true);
    });
  }

  /* Kanbans and lists follow what others do: what changed is drawn anew, unless somebody works in it. */
  function resting() {
    return !document.hidden && !dragged && !movesOnTheWay && !topSlide();
  }

  function drawAnew(mine, other) {
    if (!mine || !other || mine.dataset.expanded || mine.contains(document.activeElement)) return;
    if (mine.innerHTML !== other.innerHTML) mine.innerHTML = other.innerHTML;
  }

  function follow() {
    if (resting()) redraw(resting);
  }

  function redraw(still) {
    return fetch(window.location.href).then(function (answer) { return answer.ok ? answer.text() : ''; }).then(function (html) {
      if (!html || (still && !still())) return;
      var fresh = new DOMParser().parseFromString(html, 'text/html');
      document.querySelectorAll('.column').forEach(function (column) {
        drawAnew(column, fresh.querySelector('.column[data-stage="' + CSS.escape(column.dataset.stage) + '"]'));
      });
      drawAnew(document.querySelector('tbody[data-follow]'), fresh.querySelector('tbody[data-follow]'));
    }).catch(function () { /* the portal is being restarted: the next look will tell */ });
  }

  // ---- card ----

  var suggestTimer = 0;
  document.addEventListener('input', function (event) {
    var field = event.target;
    if (!field.dataset || !field.dataset.suggest) return;
    clearTimeout(suggestTimer);
    suggestTimer = setTimeout(function () {
      var query = new URLSearchParams({ type: field.dataset.suggest, q: field.value });
      fetch('/sandbox/ui/suggest?' + query).then(function (answer) { return answer.json(); }).then(function (data) {
        field.list.replaceChildren.apply(field.list, (data.found || []).map(function (text) {
          var option = document.createElement('option');
          option.value = text;
          return option;
        }));
      }).catch(function (problem) { notice(problem.message, true); });
    }, 150);
  });

  document.addEventListener('click', function (event) {
    var button = event.target.closest('.stages button');
    if (!button || button.hasAttribute('aria-current')) return;
    var list = button.closest('.stages');
    post('/sandbox/ui/move', {
      entityTypeId: list.dataset.type, id: list.dataset.id, stageId: button.dataset.stage
    }).then(changedAndReload, refusedMove);
  });

  function changedAndReload() {
    tellParent('changed');
    window.location.reload();
  }

  /* Draws the card anew from the portal's data; application tabs stay as they are. */
  function refreshCard() {
    return fetch(window.location.pathname + window.location.search).then(function (answer) {
      if (!answer.ok) throw new Error('Не получилось обновить карточку');
      return answer.text();
    }).then(function (html) {
      var fresh = new DOMParser().parseFromString(html, 'text/html');
      ['#pagetitle', '.stages', '#panel-main', '#panel-related'].forEach(function (place) {
        var mine = document.querySelector(place);
        var other = fresh.querySelector(place);
        if (mine && other) mine.innerHTML = other.innerHTML;
      });
      tellParent('changed');
    }).catch(function (problem) { notice(problem.message, true); });
  }

  /* What a widget's reloadData asks for: the card or the list it was opened from. */
  function refresh() {
    if (document.getElementById('panel-main')) return refreshCard();
    if (document.querySelector('.kanban, tbody[data-follow]')) return redraw();
    tellParent('refresh');
    return Promise.resolve();
  }

  function edit(field, on) {
    field.querySelector('.view').hidden = on;
    field.querySelector('.editor').hidden = !on;
    var first = field.querySelector(on ? '.editor input:not([type=hidden]), .editor select, .editor textarea' : '[data-edit]');
    if (first) first.focus();
  }

  function save(form) {
    fetch(form.action, { method: 'POST', body: new FormData(form) }).then(function (answer) {
      return answer.text().then(function (html) {
        if (!answer.ok) throw new Error(new DOMParser().parseFromString(html, 'text/html').querySelector('main p').textContent);
        var field = form.closest('.field');
        var name = field.dataset.field;
        field.outerHTML = html;
        tellParent('changed');
        notice('Сохранено');
        var fresh = document.querySelector('[data-field="' + name + '"] [data-edit]');
        if (fresh) fresh.focus();
      });
    }).catch(function (problem) { notice(problem.message, true); });
  }

  document.addEventListener('click', function (event) {
    var field = event.target.closest && event.target.closest('.field');
    if (field && event.target.closest('[data-edit]')) edit(field, true);
    if (field && event.target.closest('[data-cancel]')) edit(field, false);
  });

  document.addEventListener('submit', function (event) {
    var question = event.target.dataset.confirm;
    if (question && !window.confirm(question)) { event.preventDefault(); return; }
    if (event.target.matches('[data-save]')) { event.preventDefault(); save(event.target); return; }
    if (event.target.method === 'post') tellParent('changed');
  });

  /* Robots: only the questions of the chosen action are asked. */
  function bindActions(form) {
    var choice = form.querySelector('[name=action]');
    function ask() {
      form.querySelectorAll('[data-for]').forEach(function (one) {
        var wanted = one.dataset.for.split(' ').indexOf(choice.value) >= 0;
        one.hidden = !wanted;
        one.querySelectorAll('input, select').forEach(function (field) { field.disabled = !wanted; });
      });
    }
    choice.addEventListener('change', ask);
    ask();
  }

  window.Portal = {
    notice: notice, slider: slider, closeSlider: closeSlider,
    refresh: refresh
  };

  document.addEventListener('DOMContentLoaded', function () {
    var wanted = window.location.hash && document.getElementById(window.location.hash.slice(1));
    if (wanted && wanted.matches('[role=tab]')) selectTab(wanted);
    document.querySelectorAll('[data-actions]').forEach(bindActions);
    if (document.querySelector('.kanban[data-type], tbody[data-follow]')) setInterval(follow, FOLLOW_MS);
    if (document.querySelector('[data-close-slider]')) { tellParent('changed'); closeSlider(); }
  });
})();
