"""What columns, files and values are called, in several languages, and what that says of them."""

import re
import unicodedata
from collections.abc import Mapping

# The roles a column may have, and the words for each: English, German, Spanish, French, Italian,
# Dutch. Accents are left out, as `tokens` leaves them out.
ROLES: Mapping[str, tuple[str, ...]] = {
    "customer": (
        *("customer", "cust", "user", "visitor", "member", "client", "buyer", "shopper"),
        *("household", "account", "loyalty", "card", "cookie", "device", "uid", "person"),
        *("kunde", "kunden", "kd", "kdnr", "besucher", "nutzer", "benutzer", "haushalt", "karte"),
        *("cliente", "usuario", "comprador", "socio", "utente", "acheteur", "utilisateur"),
        *("visiteur", "klant", "gebruiker", "tarjeta", "tessera"),
    ),
    "session": ("session", "sess", "visit", "sitzung", "sesion", "sessione", "sessie"),
    "item": (
        *("item", "product", "prod", "article", "sku", "stock", "stockcode", "asin", "isbn"),
        *("movie", "book", "song", "track", "upc", "ean", "gtin", "pid", "material", "recipe"),
        *("artikel", "produkt", "ware", "art", "articulo", "producto", "articolo", "prodotto"),
        *("produit", "referencia", "film"),
    ),
    "time": (
        *("time", "timestamp", "ts", "datetime", "date", "at", "when", "created", "moment"),
        *("day", "datum", "zeit", "uhrzeit", "zeitpunkt", "tag", "fecha", "hora", "heure"),
        *("jour", "data", "ora", "orario", "tijd", "kaufdatum", "dt", "epoch"),
    ),
    "type": (
        *("event", "type", "action", "behavior", "behaviour", "activity", "verb", "interaction"),
        *("aktion", "ereignis", "vorgang", "typ", "evento", "tipo", "accion", "azione"),
        *("evenement", "actie", "what"),
    ),
    "quantity": (
        *("quantity", "qty", "quant", "count", "units", "pieces", "amount_of_items"),
        *("menge", "anzahl", "stuck", "stueck", "stk", "cantidad", "cant", "quantita"),
        *("quantite", "qte", "aantal", "unidades", "pezzi"),
    ),
    "price": (
        *("price", "unitprice", "preis", "einzelpreis", "stuckpreis", "precio", "prezzo"),
        *("prix", "prijs", "cost"),
    ),
    "amount": (
        *("amount", "total", "sales", "sum", "revenue", "paid", "spend", "turnover", "linetotal"),
        *("betrag", "summe", "umsatz", "gesamt", "importe", "montant", "importo", "totale"),
        *("bedrag", "bezahlt", "value"),
    ),
    "order": (
        *("order", "invoice", "receipt", "basket", "transaction", "ticket", "bill", "cart"),
        *("bon", "beleg", "rechnung", "bestellung", "auftrag", "kassenbon", "pedido", "factura"),
        *("ordine", "scontrino", "commande", "facture", "bestelling", "factuur"),
    ),
    "store": (
        *("store", "shop", "branch", "outlet", "location", "station", "filiale", "markt"),
        *("laden", "tienda", "sucursal", "negozio", "magasin", "winkel"),
    ),
    "channel": ("channel", "kanal", "canal", "canale", "kanaal", "medium", "platform", "source"),
    "title": (
        *("title", "name", "description", "desc", "label", "bezeichnung", "beschreibung"),
        *("titel", "descripcion", "nombre", "titre", "nom", "titolo", "nome", "descrizione"),
        *("omschrijving", "text"),
    ),
    "rating": ("rating", "stars", "score", "bewertung", "sterne", "valoracion", "voto", "avis"),
    "property": ("property", "attribute", "attr", "feature", "key", "merkmal", "eigenschaft"),
    "value": ("value", "wert", "valor", "valore", "valeur", "waarde"),
}
# Roles whose columns hold names of things rather than what they are like.
IDS = frozenset({"customer", "session", "item", "order", "store"})
_ID = {"id", "ids", "nr", "no", "number", "code", "key", "num", "nummer", "codigo", "numero", "ref"}
# What is told of a thing, and is not its id.
_TOLD = {
    *("name", "category", "kategorie", "categoria", "type", "typ", "tipo", "group", "gruppe"),
    *("price", "preis", "precio", "date", "datum", "fecha", "age", "gender", "country", "land"),
    *("city", "zip", "count", "title", "description", "bezeichnung", "segment", "brand", "marke"),
    *("size", "status", "time", "event", "value", "class", "agent", "rating", "quantity"),
    *("categoryid", "parent", "birth", "comp", "disc", "discount"),
    *("manufacturer", "coupon", "campaign", "promotion", "offer", "display", "mailer"),
}
# What a row of an event is called, and the built-in type it then is.
TYPES: Mapping[str, tuple[str, ...]] = {
    "view": (
        *("view", "views", "viewed", "pv", "pageview", "productview", "itemview", "detail", "look"),
        *("browse", "click", "clicks", "clicked", "viewitem", "ansicht", "klick", "aufruf"),
        *("vista", "visita", "vue", "clic", "fav", "favorite", "favourite", "wishlist", "like"),
    ),
    "add_to_cart": (
        *("cart", "addtocart", "addcart", "basket", "addtobasket", "add", "warenkorb", "carrito"),
        *("carrello", "panier", "incart", "winkelwagen", "addtobag"),
    ),
    "remove_from_cart": ("removefromcart", "remove", "removecart", "removefrombasket"),
    "purchase": (
        *("buy", "buys", "bought", "purchase", "purchases", "purchased", "transaction", "order"),
        *("orders", "ordered", "sale", "sales", "sold", "paid", "transactions", "invoice"),
        *("kauf", "kaeufe", "kaufe", "gekauft", "verkauf", "bestellung", "kasse", "bon", "compra"),
        *("compras", "venta", "ventas", "acquisto", "vendita", "achat", "vente", "aankoop"),
        *("retail", "receipt", "receipts"),
    ),
    "search": ("search", "query", "suche", "busqueda", "recherche", "ricerca"),
    "session": ("session", "websession", "visit", "sitzung"),
    "call": ("call", "conversation", "phone", "anruf", "telefonat", "llamada", "appel"),
    "return": (
        "return",
        "returned",
        "refund",
        "refunded",
        "retoure",
        "ruckgabe",
        "devolucion",
        "reso",
        "retour",
    ),
    "void": ("void", "cancel", "cancelled", "storno"),
    "redeem": ("redeem", "redeemed", "redemption", "redemptions", "einlosung"),
}
CHANNELS: Mapping[str, tuple[str, ...]] = {
    "web": ("web", "website", "online", "desktop", "site", "webshop", "onlineshop"),
    "app": ("app", "mobile", "mobileapp", "ios", "android"),
    "email": ("email", "mail", "newsletter"),
    "sms": ("sms",),
    "store": ("store", "shop", "instore", "offline", "filiale", "laden", "tienda", "magasin"),
    "till": ("till", "pos", "kasse", "caisse", "caja", "cassa"),
    "call_center": ("callcenter", "callcentre", "phone", "telephone", "telefon", "hotline"),
    "kiosk": ("kiosk",),
}
# Lines of a receipt that are no goods, by their code or what it is called.
SERVICES = re.compile(
    r"\b(postage|shipping|carriage|freight|delivery|fees?|charges?|commission|adjust\w*|manual|"
    r"discount|samples?|bad debt|porto|versand\w*|rabatt|pfand|gebuehr|gebuhr|envio|livraison|"
    r"spedizione|post|bank|gift ?card|voucher)\b"
)
# Which namespace an identifier is of, by the word for it; others are a `user`.
NAMESPACES: Mapping[str, tuple[str, ...]] = {
    "cookie": ("visitor", "cookie", "session", "sess", "visit", "besucher", "visiteur"),
    "device": ("device", "geraet"),
    "household": ("household", "haushalt", "hogar", "foyer"),
    "loyalty": ("loyalty", "card", "karte", "tarjeta", "tessera", "member"),
}
CURRENCIES = (
    "eur",
    "usd",
    "gbp",
    "chf",
    "sek",
    "nok",
    "dkk",
    "pln",
    "czk",
    "jpy",
    "cny",
    "brl",
    "mxn",
    "inr",
    "aud",
    "cad",
    "try",
    "zar",
)


def plain(text: str) -> str:
    """Return a text in lower case, without accents."""
    whole = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(sign for sign in whole if not unicodedata.combining(sign)).lower()


def tokens(name: str) -> list[str]:
    """Return the words of a name: of `CustomerID`, `customer_id` and `customer id` the same."""
    parts = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", name))
    return re.findall(r"[a-z]+|\d+", plain(parts))


def score(name: str, role: str) -> float:
    """Return how well a name says a role, from 0: not at all."""
    words = tokens(name)
    joined = "".join(words)
    best = 0.0
    for word in ROLES[role]:
        if word == joined:
            best = max(best, 3.0)
        elif word in words:
            # The last word, or the first before an id, is what a name is about.
            best = max(best, 2.2 if word == words[-1] else 2.0)
        elif len(word) >= 4 and word in joined:
            best = max(best, 1.5 + len(word) / 100)
    if not best:
        return 0.0
    if role in IDS:
        best += 0.5 * bool(_ID & set(words) or re.search(r"(id|nr|no|code)$", joined))
        best -= 2.0 * bool(_TOLD & set(words) - set(ROLES[role]))
    return max(best, 0.0)


def namespace_of(name: str) -> str:
    """Return the namespace of the identifiers in a column of that name."""
    joined = "".join(tokens(name))
    for namespace, words in NAMESPACES.items():
        if any(word in joined for word in words):
            return namespace
    return "user"


def meaning(value: str, vocabulary: Mapping[str, tuple[str, ...]]) -> str | None:
    """Return what a value or a name says by a vocabulary, as a whole or by one of its words."""
    words = tokens(value)
    joined = "".join(words)
    for name, known in vocabulary.items():
        if joined in known:
            return name
    for name, known in vocabulary.items():
        if set(words) & set(known):
            return name
    return None
