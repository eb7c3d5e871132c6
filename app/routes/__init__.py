"""HTTP in, page or JSON out: one module a noun."""

from fastapi import APIRouter

ROUTERS: tuple[APIRouter, ...] = ()
