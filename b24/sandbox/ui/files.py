"""Files of custom fields as the portal's pages offer them for download."""

from __future__ import annotations

from io import BytesIO

from flask import Response, abort, request, send_file

from b24.sandbox.kernel import RestError
from b24.sandbox.ui.desk import desk
from b24.sandbox.ui.site import bp

ACTION = "crm.controller.item.getFile"


@bp.get("/bitrix/services/main/ajax.php")
def download() -> Response:
    """The file of a field, for whoever may read the card: the address ``crm.item.get`` shows as ``url``."""
    if request.args.get("action") != ACTION:
        abort(404, "Такого действия на учебном портале нет.")
    place = {"entityTypeId": request.args.get("entityTypeId", 0, int), "id": request.args.get("id", 0, int)}
    file_id = request.args.get("fileId", 0, int)
    try:
        item = desk().call("crm.item.get", **place)["item"]
    except RestError:
        abort(404, "Карточки нет, или у вас нет к ней доступа.")
    value = item.get(request.args.get("fieldName", ""))
    listed = value if isinstance(value, list) else [value]
    if not any(isinstance(one, dict) and one.get("id") == file_id for one in listed):
        abort(404, "Такого файла в карточке нет.")
    with desk().portal.transaction() as db:
        row = db.execute("SELECT name, content FROM crm_file WHERE id = ?", (file_id,)).fetchone()
    content = BytesIO(row["content"])
    return send_file(content, "application/octet-stream", as_attachment=True, download_name=row["name"])
