"""A client of the service, with nothing but what Python and the core installation bring.

>>> from excision.station.client import Client
>>> client = Client("http://127.0.0.1:8000")
>>> client.inspect("part_017.png").verdict                       # doctest: +SKIP
"""

from excision.station.client.answer import Answer
from excision.station.client.client import Client, View

__all__ = ["Answer", "Client", "View"]
