"""Match-Trade, a broker's platform: tokens by password, accounts made for leads, and the list of all accounts.

match_trade = MatchTrade(transport, secret)
account_uuid = match_trade.authorize(budget).create(lead, budget)
for page in match_trade.pages(since, until, budget):
    keep(page.rows)
"""

from leadbridge.partners.matchtrade.accounts import AccountForm, lead_source
from leadbridge.partners.matchtrade.client import MatchTrade
from leadbridge.partners.matchtrade.listing import Page
from leadbridge.partners.matchtrade.rows import Account

__all__ = ["Account", "AccountForm", "MatchTrade", "Page", "lead_source"]
