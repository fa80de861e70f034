"""Cookie headers, query strings and forms as browsers, analytics, SDKs and frameworks send them.

`{org}` and `{token}` stand where a rule reads its org or its credential. Nothing in them is made to be read in two
ways, so a guard must judge each of them as it would judge what stands there alone.
"""

#: `Cookie` header fields, the org in a cookie `org_id` where there is one.
COOKIES = [
    "org_id={org}",
    "org_id={org}; theme=dark",
    'org_id="{org}"',
    "theme=dark; org_id={org}",
    "a=1;org_id={org};b=2",
    # Google Analytics, Ads and Tag Manager.
    "_ga=GA1.1.1735689600.1735689601; _ga_ABCDEF1234=GS1.1.1735689600.1.1.1735689661.0.0.0; org_id={org}",
    "_ga=GA1.2.817239871.1700000000; _gid=GA1.2.11223344.1700000000; _gat_UA-12345-1=1; org_id={org}",
    "_gcl_au=1.1.1234567890.1735689600; _gcl_aw=GCL.1735689600.EAIaIQobChMI; org_id={org}",
    (
        "__utma=1.2.3.4.5.6; __utmb=1.1.10.1735689600; "
        "__utmz=1.1735689600.1.1.utmcsr=google|utmccn=(organic); org_id={org}"
    ),
    "__gads=ID=abc123:T=1700000000:RT=1700000000:S=ALNI_Mabc; __gpi=UID=00000abc:T=1700000000; org_id={org}",
    "NID=511=abcDEF-_; 1P_JAR=2025-01-01-12; AEC=Ae3NU9; SOCS=CAISHAgC; org_id={org}",
    # Consent.
    (
        "OptanonConsent=isGpcEnabled=0&datestamp=Tue+Jan+14+2025+10%3A00%3A00+GMT%2B0100&version=202401.2.0"
        "&isIABGlobal=false&groups=C0001%3A1%2CC0002%3A1&geolocation=DE%3BBE; org_id={org}"
    ),
    "OptanonAlertBoxClosed=2025-01-14T09:00:00.000Z; eupubconsent-v2=CPabcAPabc.YAAAAAAAAAAA; org_id={org}",
    (
        "CookieConsent={stamp:%27abc==%27%2Cnecessary:true%2Cpreferences:true%2Cstatistics:true%2Cver:1"
        "%2Cutc:1735689600000%2Cregion:%27de%27}; org_id={org}"
    ),
    "cookieyes-consent=consentid:YWJj,consent:yes,action:yes,necessary:yes,analytics:yes; org_id={org}",
    "euconsent-v2=CQAAAAAQAAAAAAfQ; usprivacy=1YNN; org_id={org}",
    'cookie_consent={"analytics":true,"ads":false}; org_id={org}',
    # Segment, Mixpanel, Amplitude, Heap, PostHog, Hotjar, Optimizely, LaunchDarkly.
    "ajs_user_id=%22u_123%22; ajs_anonymous_id=%22b7c1e6a0-1234%22; ajs_group_id=null; org_id={org}",
    "ajs_anonymous_id=b7c1e6a0-1234-4321-9999-aabbccddeeff; analytics_session_id=1735689600000; org_id={org}",
    (
        "mp_0123456789abcdef_mixpanel=%7B%22distinct_id%22%3A%20%22abc%22%2C%22%24device_id%22%3A%20%22abc%22%2C"
        "%22org_id%22%3A%20%22x%22%7D; org_id={org}"
    ),
    "amplitude_id_abcexample.com=eyJkZXZpY2VJZCI6IjEyMyJ9; AMP_0123456789=JTdCJTIyZGV2aWNlSWQlMjI=; org_id={org}",
    (
        "AMP_MKTG_0123456789=JTdCJTdE; _hp2_id.123456=%7B%22userId%22%3A%22123%22%7D; "
        "_hp2_ses_props.123=%7B%7D; org_id={org}"
    ),
    (
        "ph_phc_abc_posthog=%7B%22distinct_id%22%3A%22abc%22%2C%22%24sesid%22%3A%5B1735689600000%2C%22abc%22%5D"
        "%2C%22%24groups%22%3A%7B%22organization%22%3A%22x%22%7D%7D; org_id={org}"
    ),
    (
        "_hjSessionUser_123456=eyJpZCI6ImFiYyJ9; _hjSession_123456=eyJpZCI6ImRlZiJ9; "
        "_hjIncludedInPageviewSample=1; org_id={org}"
    ),
    "optimizelyEndUserId=oeu1735689600000r0.123; optimizelySegments=%7B%7D; optimizelyBuckets=%7B%7D; org_id={org}",
    "optimizelyOptOut=false; optimizely_data=x|y|z; ld:anon:id=abc; org_id={org}",
    # Advertising and social.
    "_fbp=fb.1.1735689600000.123456789; _fbc=fb.1.1735689600000.IwAR0abc; org_id={org}",
    "_uetsid=abc0def0; _uetvid=abc0def1; MUID=0123456789ABCDEF; org_id={org}",
    'li_gc=MTs7MTczNTY4OTYwMA==; bcookie="v=2&abc-def"; lidc="b=VGST00:s=V:r=V:a=V:p=V"; org_id={org}',
    'personalization_id="v1_abc=="; guest_id=v1%3A173568960000000000; org_id={org}',
    "_ttp=abc; _tt_enable_cookie=1; _pin_unauth=dWlkPVlX; _rdt_uuid=1735689600000.abc; org_id={org}",
    "datr=abc; sb=def; c_user=1000; xs=12%3Aabc%3A2%3A1735689600%3A-1%3A-1; wd=1920x1080; org_id={org}",
    # CDNs, load balancers and bot protection.
    "__cf_bm=abc.def-1735689600-1.0.1.1-ghi; cf_clearance=abc-1735689600-1.2.1.1-def; org_id={org}",
    "AWSALB=abc+/def==; AWSALBCORS=abc+/def==; AWSALBTG=x; org_id={org}",
    "ARRAffinity=abc0123; ARRAffinitySameSite=abc0123; org_id={org}",
    "BIGipServerpool_app=1677787402.36895.0000; TS01abcdef=0123456789abcdef; org_id={org}",
    "ak_bmsc=ABC~000000000000~YAAQ; bm_sz=ABC~YAAQ~1; _abck=ABC~-1~YAAQ~-1~-1~-1; org_id={org}",
    "incap_ses_123_456=abc/def==; visid_incap_456=abc/def; nlbi_456=abc; org_id={org}",
    "route=1735689600.123.45.678901|0123456789abcdef; INGRESSCOOKIE=1735689600.1|abc; org_id={org}",
    "datadome=abc~def_ghi; _px3=abc:def==:1000:ghi; _pxvid=abc; org_id={org}",
    # Sessions of frameworks.
    "connect.sid=s%3Aabc.def%2Fghi; org_id={org}",
    "session=eyJ1c2VyIjoxfQ==; session.sig=abc-def_ghi; org_id={org}",
    "JSESSIONID=0123456789ABCDEF0123456789ABCDEF.node1; org_id={org}",
    "PHPSESSID=0123456789abcdefghijklmnop; org_id={org}",
    (
        "ASP.NET_SessionId=abcdefghijklmnopqrstuvwx; __RequestVerificationToken=abc; "
        ".AspNetCore.Antiforgery.xyz=CfDJ8; org_id={org}"
    ),
    ".AspNetCore.Cookies=chunks-2; .AspNetCore.CookiesC1=CfDJ8abc; .AspNetCore.CookiesC2=def; org_id={org}",
    "_myapp_session=BAh7B0kiD3Nlc3Npb25faWQ%3D--0123456789abcdef; org_id={org}",
    "laravel_session=eyJpdiI6ImFiYyIsInZhbHVlIjoiZGVmIn0%3D; XSRF-TOKEN=eyJpdiI6ImFiYyJ9%3D; org_id={org}",
    'csrftoken=abcdef; sessionid=ghijkl; django_language=en; messages=".eJyrVopP"; org_id={org}',
    "next-auth.session-token=eyJhbGciOiJkaXIi..abc.def.ghi; next-auth.csrf-token=abc%7Cdef; org_id={org}",
    (
        "__Host-next-auth.csrf-token=abc%7Cdef; "
        "__Secure-next-auth.callback-url=https%3A%2F%2Fapp.example.com; org_id={org}"
    ),
    "sb-abc-auth-token=base64-eyJhY2Nlc3MiOiIxIn0; sb-abc-auth-token.0=abc; sb-abc-auth-token.1=def; org_id={org}",
    "wordpress_logged_in_abc=admin%7C1735689600%7Cabc%7Cdef; wp-settings-1=libraryContent%3Dbrowse; org_id={org}",
    'KEYCLOAK_SESSION="master/abc/def"; KEYCLOAK_IDENTITY=eyJhbGciOi; AUTH_SESSION_ID=abc.node1; org_id={org}',
    "okta-oauth-nonce=abc; okta-oauth-state=def; DT=DI1abc; JSESSIONID=ABC; org_id={org}",
    "ESTSAUTH=0.AAAA; ESTSAUTHPERSISTENT=0.AAAA; buid=0.AAAA; fpc=Abc-Def; x-ms-gateway-slice=estsfd; org_id={org}",
    "auth0=s%3Aabc.def; did=s%3Av0%3Aabc.def; auth0_compat=s%3Aabc.def; org_id={org}",
    "session-id=123-4567890-1234567; session-id-time=2082787201l; ubid-main=1; session-token=abc/def==; org_id={org}",
    (
        "user_session=abc; __Host-user_session_same_site=abc; dotcom_user=octocat; _octo=GH1.1.1.1; "
        "tz=Europe%2FBerlin; org_id={org}"
    ),
    "_gitlab_session=abc; known_sign_in=abc--def; preferred_language=en; org_id={org}",
    "atlassian.xsrf.token=ABC_def_lin; cloud.session.token=eyJr; tenant.session.token=eyJr; org_id={org}",
    "sid=00D000000000001!AQEAQ; oid=00D000000000001; inst=APP_1; sfdc_lv2=abc; oinfo=c3RhdHVz; org_id={org}",
    "intercom-id-abc=1; intercom-session-abc=def==; intercom-device-id-abc=2; org_id={org}",
    "hubspotutk=abc; __hstc=1.abc.1.1.1.1; __hssc=1.1.1; __hssrc=1; messagesUtk=abc; org_id={org}",
    "_mkto_trk=id:123-ABC-456&token:_mch-example.com-1735689600000-12345; org_id={org}",
    "__zlcmid=abc; __stripe_mid=abc-def; __stripe_sid=ghi-jkl; org_id={org}",
    "dwac_abc=def|dw-only|||EUR|false|Europe/Berlin|true; cqcid=abc; dwanonymous_abc=def; org_id={org}",
    "_shopify_y=abc; _shopify_s=def; cart=c1-abc; cart_sig=def; localization=DE; org_id={org}",
    # Of Clerk and Firebase, and others that differ by a sign which every server tells apart in a cookie.
    "__session=eyJhbGciOiJSUzI1NiJ9; session=abc; __client_uat=1735689600; __session_abc=eyJ; org_id={org}",
    "org_id={org}; org-id=zeta; orgid=zeta; orgId=zeta; _org_id=zeta; __org_id=zeta; org_id_=zeta",
    "-org_id=zeta; !org_id=zeta; .org_id=zeta; org__id=zeta; org_id={org}; __Host-org_id=zeta",
    # Preferences, in every way that apps write them.
    "lang=en-US; tz=America/New_York; currency=EUR; org_id={org}",
    "recent=a,b,c; sort=-created,name; org_id={org}",
    "greeting=hello world; org_id={org}",
    'columns=[1,2,3]; filters={"state":"open","page":2}; org_id={org}',
    "last_visit=Tue, 14-Jan-2025 10:00:00 GMT; org_id={org}",
    "last_search=my+org+chart; organization_name=Acme%20Inc; org_id={org}",
    "org_ids=a%2Cb; org_name=Acme; org_id_history=a.b.c; last_org_id=zeta; org_id={org}",
    "name=J%C3%BCrgen; city=M\u00fcnchen; org_id={org}",
    "empty=; flag; org_id={org}",
    "$Version=1; a=b; $Path=/; org_id={org}",
    "a=b=c==; base64=YWJj+/8=; org_id={org}",
    "org_id={org}; path=/; expires=Thu, 01 Jan 2026 00:00:00 GMT",
]

#: Query strings, the org in a parameter `org_id` where there is one.
QUERIES = [
    "org_id={org}",
    "org_id={org}&page=2&per_page=50",
    "page=2&org_id={org}",
    "q=hello+world&org_id={org}",
    "q=caf%C3%A9%20%26%20bar&org_id={org}",
    (
        "utm_source=newsletter&utm_medium=email&utm_campaign=spring_sale&utm_id=abc&utm_term=a+b"
        "&utm_content=x&org_id={org}"
    ),
    "fbclid=IwAR0abc&gclid=EAIaIQob-_&msclkid=abc&dclid=1&ttclid=E.C.P&twclid=2&yclid=3&org_id={org}",
    "gbraid=0AAAA&wbraid=CjgK&_gl=1*abc*_ga*MTIz*_ga_ABC*MTcz&_hsenc=p2ANqtz-&_hsmi=123&mc_cid=a&mc_eid=b&org_id={org}",
    # Lists and nesting, in every convention.
    "expand[]=data.customer&expand[]=data.invoice&limit=100&org_id={org}",
    "expand%5B%5D=customer&created%5Bgte%5D=1735689600&starting_after=ch_123&org_id={org}",
    "items[0][price]=price_1&items[0][quantity]=2&metadata[org]=x&metadata[order_id]=7&org_id={org}",
    "page[size]=25&page[number]=3&sort=-created,title&include=author,comments.author&org_id={org}",
    "filter[status]=open&filter[org]=x&fields[articles]=title,body&fields[people]=name&org_id={org}",
    "filter%5Borganization%5D%5Bid%5D=x&page%5Bcursor%5D=abc&org_id={org}",
    "user[name]=x&user[org_id]=zeta&user[address][city]=y&org_id={org}",
    "ids=1,2,3&tags=a&tags=b&tags=c&org_id={org}",
    "ids[]=1&ids[]=2&org_id={org}",
    "where=%7B%22org_id%22%3A%22x%22%2C%22state%22%3A%22open%22%7D&org_id={org}",
    "filters=%5B%7B%22field%22%3A%22name%22%2C%22op%22%3A%22eq%22%7D%5D&org_id={org}",
    "sort[name]=asc&sort[created]=desc&org_id={org}",
    "columns[0][data]=id&columns[0][search][value]=&order[0][column]=0&order[0][dir]=asc&draw=1&start=0&org_id={org}",
    # Operators.
    "$filter=name%20eq%20%27x%27&$select=id,name&$top=10&$skip=20&$orderby=name%20desc&$expand=owner&org_id={org}",
    "%24filter=org_id%20eq%20%27x%27&%24count=true&api-version=7.1&org_id={org}",
    "created_at__gte=2025-01-01&org_id__in=1,2&name__icontains=x&ordering=-id&org_id={org}",
    "created[after]=2025-01-01&created[before]=2025-02-01&exists[parent]=true&org_id={org}",
    "or=(age.gte.14,age.lte.10)&select=id,name,org(id)&org_name=eq.x&order=id.asc&org_id={org}",
    "price.gte=10&name.contains=x&owner.id=7&org_id={org}",
    "q=org_id:x+state:open&s=rank&org_id={org}",
    "fq=org_id:(1+OR+2)&facet=true&facet.field=cat&wt=json&org_id={org}",
    "query=status%3A200%20org_id%3Ax&from=now-1h&to=now&org_id={org}",
    # GraphQL.
    (
        "operationName=GetOrg&variables=%7B%22orgId%22%3A%22x%22%7D&extensions=%7B%22persistedQuery%22%3A%7B%22version"
        "%22%3A1%2C%22sha256Hash%22%3A%22abc%22%7D%7D&org_id={org}"
    ),
    "query=%7Bviewer%7Borganizations%28first%3A10%29%7Bnodes%7Bid%7D%7D%7D%7D&org_id={org}",
    # AWS, Azure and Google.
    "Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=tag:Name&Filter.1.Value.1=x&MaxResults=100&org_id={org}",
    (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20250114%2Feu-central-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20250114T000000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=abc&org_id={org}"
    ),
    "list-type=2&prefix=a%2Fb&delimiter=%2F&max-keys=1000&encoding-type=url&org_id={org}",
    (
        "sv=2022-11-02&ss=b&srt=sco&sp=rwdlac&se=2025-01-15T00:00:00Z&st=2025-01-14T00:00:00Z&spr=https"
        "&sig=abc%3D&org_id={org}"
    ),
    "alt=json&prettyPrint=false&fields=items(id,name),nextPageToken&pageToken=abc&maxResults=100&key=AIza&org_id={org}",
    "uploadType=resumable&upload_id=abc&name=x&org_id={org}",
    "updateMask.fieldPaths=name&updateMask.fieldPaths=org.name&org_id={org}",
    "pageSize=50&pageNumber=1&expand=presence,routingStatus&sortOrder=ASC&org_id={org}",
    (
        "labelSelector=app%3Dweb%2Ctier%21%3Dcache&fieldSelector=status.phase%3DRunning&watch=true"
        "&resourceVersion=1&org_id={org}"
    ),
    "match[]=up&match[]=process_start_time_seconds&start=1735689600&end=1735693200&step=15s&org_id={org}",
    "query=sum%20by%28org_id%29%28rate%28http_requests_total%5B5m%5D%29%29&time=1735689600&org_id={org}",
    # OAuth and SSO.
    (
        "client_id=abc&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb%3Forg_id%3Dx&response_type=code"
        "&scope=openid+email&org_id={org}"
    ),
    "code=abc.def&state=eyJyIjoiL29yZ3MifQ%3D%3D&session_state=abc&iss=https%3A%2F%2Flogin.example.com&org_id={org}",
    "SAMLRequest=fZJNT%2BMw&RelayState=https%3A%2F%2Fapp.example.com%2F&SigAlg=http%3A%2F%2Fwww.w3.org&org_id={org}",
    (
        "openid.mode=id_res&openid.ns=http%3A%2F%2Fspecs.openid.net%2Fauth%2F2.0"
        "&openid.return_to=https%3A%2F%2Fa&org_id={org}"
    ),
    # What frameworks and browsers add.
    "_=1735689600000&org_id={org}",
    "utf8=%E2%9C%93&authenticity_token=abc%3D%3D&commit=Save&org_id={org}",
    "_method=patch&_token=abc&org_id={org}",
    "callback=jQuery3600_1735689600000&v=1.2.3&org_id={org}",
    "_rsc=1abc2&_next=1&org_id={org}",
    "__WB_REVISION__=abc&v=2&org_id={org}",
    "debug&verbose&org_id={org}",
    "org_id={org}&debug=",
    "&org_id={org}&",
    "a=1&&b=2&org_id={org}",
    "url=https://example.com/a?b=c&org_id={org}",
    "redirect=/orgs/x?tab=members%26org_id%3Dzeta&org_id={org}",
    "next=%2Forgs%2Fx%3Forg_id%3Dzeta&org_id={org}",
    "email=a%2Bb%40example.com&phone=%2B49301234&org_id={org}",
    "lat=52.52&lng=13.405&bbox=13.0,52.3,13.8,52.7&zoom=10&org_id={org}",
    "date=2025-01-14T10:00:00%2B01:00&range=1h..2h&tz=Europe/Berlin&org_id={org}",
    "color=%23ff0000&percent=50%25&org_id={org}",
    "hash=abc~def!ghi*jkl'mno(pqr)&org_id={org}",
    # Other names that begin or end like it.
    "org_ids=a,b&org_name=Acme&organization_id=7&my_org_id=8&org_id_type=uuid&parent_org_id=9&org_id={org}",
    "org=7&id=8&orgs=9&sub_org_id=1&org_id2=2&x_org_id=3&org_idx=4&org_id={org}",
    "orgName=x&orgIds=1,2&orgUnit=y&organisationId=z&org_id={org}",
]

#: Forms, the org in a field `org_id` where there is one.
FORMS = [
    *QUERIES[:20],
    "grant_type=client_credentials&client_id=abc&client_secret=d%2Fe%2Bf&scope=read+write&org_id={org}",
    (
        "grant_type=authorization_code&code=abc&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb"
        "&code_verifier=abc-_~.&org_id={org}"
    ),
    "grant_type=refresh_token&refresh_token=abc.def&org_id={org}",
    (
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=abc"
        "&subject_token_type=x&org_id={org}"
    ),
    "username=jane%40example.com&password=p%40ss%26w%3Dord%3B&remember=on&org_id={org}",
    "csrfmiddlewaretoken=abc&next=&name=x&form-TOTAL_FORMS=2&form-0-name=y&form-1-name=z&org_id={org}",
    "__VIEWSTATE=%2FwEPDwUK&__EVENTVALIDATION=%2FwEdAA&ctl00%24Main%24Name=x&ctl00%24Main%24OrgId=7&org_id={org}",
    (
        "authenticity_token=abc&user%5Bname%5D=x&user%5Brole_ids%5D%5B%5D=&user%5Brole_ids%5D%5B%5D=1"
        "&commit=Save&org_id={org}"
    ),
    "amount=2000&currency=eur&payment_method_types[]=card&metadata[org_id]=x&expand[]=charges.data&org_id={org}",
    "line_items[0][price_data][product_data][name]=T-shirt&line_items[0][quantity]=1&mode=payment&org_id={org}",
    (
        "To=%2B4930123&From=%2B4930124&Body=Hello%21+Your+code%3A+123"
        "&StatusCallback=https%3A%2F%2Fa%2Fb%3Fc%3Dd&org_id={org}"
    ),
    "channel=C123&text=Hello+%3Cworld%3E&blocks=%5B%7B%22type%22%3A%22section%22%7D%5D&org_id={org}",
    (
        "payload=%7B%22type%22%3A%22block_actions%22%2C%22team%22%3A%7B%22id%22%3A%22T1%22%7D%2C%22org_id%22%3A%22x%22%7D&org_id={org"
        "}"
    ),
    "token=abc&team_id=T1&enterprise_id=E1&channel_id=C1&user_id=U1&command=%2Fx&text=a&api_app_id=A1&org_id={org}",
    (
        "Action=SendMessage&Version=2012-11-05&MessageBody=%7B%22org_id%22%3A%22x%22%7D"
        "&MessageAttribute.1.Name=org&org_id={org}"
    ),
    "v=1&t=pageview&tid=UA-1-1&cid=555&dh=example.com&dp=%2Fhome&cd1=org&org_id={org}",
    "message=line%20one%0D%0Aline%20two%3B%20org_id%3Dzeta&org_id={org}",
    "html=%3Cp%3Ea%26nbsp%3Bb%3C%2Fp%3E&org_id={org}",
    "SAMLResponse=PHNhbWxwOlJlc3BvbnNl%2B%2F%3D%3D&RelayState=%2Forgs%3Forg_id%3Dx&org_id={org}",
    "name=M%C3%BCller&stra%C3%9Fe=x&%E5%90%8D%E5%89%8D=y&org_id={org}",
]

#: Query strings with the credential in `access_token`.
WITH_TOKEN = [
    "access_token={token}",
    "access_token={token}&fields=id,name&limit=25",
    "v=2&access_token={token}&token_type=Bearer",
    "id_token_hint=abc&access_token={token}&accessTokenType=jwt&refresh_token=def&csrf_token=ghi",
    "access_tokens=3&token=abc&access=full&x_access_token_id=1&access_token={token}",
    "api_key=abc&sig=def&access_token={token}&appsecret_proof=ghi&fields[]=id",
]

#: `Cookie` header fields with the credential in `sid`.
WITH_SESSION = [
    "sid={token}",
    "sid={token}; connect.sid=s%3Aabc.def; _sid_sig=1; asid=2; psid=3; sids=4",
    "csid=1; sid={token}; session_id=abc; sid_expires=1735689600; PHPSESSID=abc; AWSALB=a+b/c==",
    '_ga=GA1.1.1.1; OptanonConsent=a=b&c=d%3Bsid; sid={token}; lidc="b=V:s=V"',
    'prefs={"a":1,"b":[2,3]}; sid={token}; sid.sig=abc; ssid=1',
    "__sid=1; _sid=2; s_id=3; s-id=4; sid_=5; sid-=6; sid={token}; __Host-sid=7; __Secure-sid=8",
    "sid={token}; greeting=my sid, here; last=Tue, 14-Jan-2025 10:00:00 GMT",
]
