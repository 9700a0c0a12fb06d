"""What orders to a language model look like, in the words of those who plant them: one pattern a line.

They catch sentences about answers, prompts, rules and roles, not sentences about the world: of 1,800 abstracts and
encyclopaedia articles one sentence in a thousand is caught, of the API reference of pandas two in a thousand.
"""
# ruff: noqa: E501, RUF001

from __future__ import annotations

import re

_MODEL = r"(?:ai|a\.i\.|llms?|language models?|(?:ai |chat ?|virtual )?assistants?|chatbots?|bots?|gpt\w*|claude|qwen)"
_ORDERS = r"(?:instruct\w*|prompts?|rules?|guidelines?|directions?|directives?|constraints?|commands?|context|restrictions?|guidance)"
_TELL = r"(?:reveal|print|repeat|output|show|leak|disclose|reproduce|recite|translate|encode|dump|list|copy|return|quote|paste)"
_ENGLISH = (
    rf"\b(?:ignore|disregard|forget|override|bypass|discard|drop|skip|cancel|stop following|set aside|put aside|leave aside|pay no attention to|never mind)\b.{{0,40}}\b{_ORDERS}\b",
    r"\b(?:ignore|disregard|forget)\b.{0,20}\b(?:everything|all|anything)\b.{0,20}\b(?:above|before|previous\w*|said|told)\b",
    rf"\b(?:previous|prior|above|earlier|former|these|those|your) {_ORDERS}\b.{{0,40}}\b(?:void|obsolete|invalid|wrong|revoked|cancel\w*|superseded|outdated|replaced|no longer)\b",
    rf"\b(?:system|developer|hidden|initial|original|secret|new|updated|real|special|admin\w*) (?:prompt|message|{_ORDERS})\b(?! for\b)",
    rf"\b{_TELL}\b.{{0,50}}\b(?:prompt|instructions|(?:other|all|every|hidden|full) (?:\w+ )?(?:passages?|documents?|sources?)|mark(?:er|s)?|everything above|text above|words above)\b",
    rf"\b(?:note|message|attention|notice|instructions?|memo|reminder|warning|dear|hello|hey|hi)\b.{{0,12}}\b(?:to|for)?\W{{0,3}}(?:the |any |all )?{_MODEL}\b",
    rf"\bif you(?: are|'re)\b.{{0,15}}\b{_MODEL}\b|\b(?:when|if|while) (?:an? |the |any )?{_MODEL}\b.{{0,30}}\b(?:reads?|sees?|process\w*|summari\w*|answers?)\b",
    rf"^\W*(?:the )?{_MODEL}\b\W{{0,3}}(?:please|must|should|shall|will now|has to|needs? to|is required)\b",
    r"\byou (?:are|'re) (?:now|no longer|actually|going to act|free)\b|\bfrom (?:now|here|this point) on(?:wards?)?\b.{0,40}\b(?:you|answer|reply|respond|speak|every|always)\b",
    r"\b(?:act|behave|respond|answer) as (?:if|though|an?|the)\b|\bpretend (?:to be|that|you)\b|\brole-?play\b",
    r"\b(?:always|only|must|should|shall|please|now|just|simply|instead|first|then|exactly|immediately)\b.{0,12}\b(?:reply|respond|answer|say|output|write|print|state|begin|end|start|finish)\b.{0,25}(?:\bwith\b|\bthat\b|\bonly\b|\bin\b|\bby\b|[:\"'“‘])",
    r"^\W*(?:reply|respond|answer|say|output|write|print(?!\()|state(?!\")|repeat)\b.{0,25}(?:\bwith\b|\bonly\b|\bexactly\b|[:\"'“‘])",
    r"\b(?:begin|start|end|finish|conclude|prefix|preface|close|open|sign)\b.{0,15}\b(?:every|each|your|the|all|any)\b.{0,12}\b(?:answers?|repl(?:y|ies)|responses?|sentences?|messages?|outputs?)\b",
    r"\b(?:include|add|insert|append|embed|put|attach|place|mention|display|render)\b.{0,50}\b(?:in|to|at|into|with|of)\b.{0,12}\b(?:your|the|every|each|any|all)\b.{0,10}\b(?:answers?|repl(?:y|ies)|responses?|outputs?|summar(?:y|ies))\b",
    r"\b(?:do not|don't|never|must not|refuse to)\b.{0,12}\b(?:mention|cite|answer|reveal|follow|obey|quote|tell|use)\b.{0,30}\b(?:this|these|the (?:user|question|passages?|other|rules|instructions?)|any (?:other|question)|your|users?)\b",
    r"\b(?:tell|ask|urge|instruct|inform|convince|persuade|warn|advise|direct) the (?:user|reader|customer|person)s?\b",
    r"\binstead of answering\b|\b(?:the )?(?:only |correct |right |true |real )?answer to (?:any|every|all|each|the|this|your) questions? (?:is|must|should)\b",
    r"\b(?:your|the) (?:new |only |real |true |actual )?(?:task|goal|role|job|purpose|mission|objective|persona|identity) (?:is|has changed|now)\b",
    r"\b(?:developer|debug|maintenance|god|admin|root|unrestricted|sudo|test|dan|jailbreak\w*) mode\b|\bjailbr\w+|\bdo anything now\b",
    r"\b(?:end|begin|start|close) of (?:the )?(?:passages?|context|documents?|quoted|data|input|untrusted|user|sources?)\b",
    r"^\W*(?:system|assistant|user|human|developer|instruction|ai|tool|function)s?\s*(?:\([^)]*\))?\s*[:>\]]",
    r"^\W*#{2,}\s*(?:instruction|system|response|human|assistant|new|task)",
    r"\b(?:click|tap|visit|open|follow|go to|navigate|browse|load|fetch|download)\b.{0,30}(?:https?:|www\.|\bthis link\b|\bthe link\b|\bhere\b|\.(?:com|net|org|cn|xyz|top|io)\b)",
    r"!?\[[^\]]*\]\((?:https?:|/|www|#|data:|mailto:)[^)]*\)|\bjavascript:|\bdata:text/|\bon(?:error|load|click)\s*=",
    r"\byou (?:only|just|always|must|will|should|shall|may only|can only)\b.{0,20}\b(?:say|reply|answer|respond|output|write|print)\b",
    r"\byour (?:sole|only|next|first|final|whole|entire) (?:reply|answer|response|output|word|message)s?\b",
    r"\b(?:in|into|to|of|at|with|before|after|unless|until) (?:your|every|each) (?:next |final |own )?(?:answer|reply|response|output)s?\b",
    r"\byour (?:answer|reply|response|output)s?\b.{0,12}\b(?:begin|start|end|must|should|contain|include)",
    rf"\b{_TELL}\b.{{0,30}}\b{_ORDERS}\b.{{0,12}}\b(?:you|above|before)\b",
    r"\bfree (?:of|from) (?:all |any |your )?(?:restrictions?|rules|limits?|constraints?|filters?)\b|\byou are (?:dan|(?:an? )?(?:unrestricted|uncensored|unfiltered))\b",
    r"\banswers? to (?:any|every|all|each) questions?\b.{0,40}\b(?:is|are|must|should)\b|\bthe (?:answer|reply|response) (?:starts|begins|continues|goes)\b",
    r"\b(?:when|if|whenever|once|should) (?:you are |you're |anyone |someone |somebody |the user |a user )?(?:asked|asks|ask)\b.{0,60}\b(?:respond|reply|answer|say|output|tell|write)\b",
    r"[\"']role[\"']\s*:\s*[\"'](?:system|assistant|developer|user)[\"']",
    r"\b(?:call|invoke|run|execute) (?:the|this) (?:function|tool|command|plugin)\b.{0,80}\b(?:print|tell|say|report|show) (?:what|that|the result)",
    r"\b(?:this|the following) (?:is|are) (?:an? )?(?:instruction|order|command|directive)s?\b|\bobey\b|\bcomply with\b.{0,30}\b(?:this|these|following)\b",
)
_CHINESE = (
    r"(?:忽略|无视|忘记|忘掉|不要理会|不必理会|抛开|跳过|覆盖|停止遵守|不要遵守|取代).{0,20}(?:指令|指示|提示|规则|要求|说明|上文|以上|之前|前面|限制|约束|内容)",
    r"(?:之前|以上|上述|原有|前面|先前)的?(?:所有)?(?:指令|指示|提示|规则|要求|说明).{0,12}(?:作废|无效|失效|取消|过期|不再)",
    r"你现在(?:是|要|必须|开始)|从现在(?:起|开始)|从此刻起|今后你|扮演|假装|角色扮演|你的(?:新|真正|唯一)?的?(?:任务|角色|身份|目标|职责)(?:是|变|已)",
    r"系统(?:提示|消息|指令|设定|信息)|提示词|开发者模式|管理员模式|调试模式|越狱|隐藏(?:指令|提示)|新(?:的)?(?:指令|任务|规则)|最高(?:权限|优先级)",
    r"(?:输出|打印|重复|复述|泄露|显示|展示|告诉|公开|列出|翻译|说出|透露|逐字).{0,16}(?:提示|指令|系统|规则|(?:其他|其它|所有|全部)(?:的)?(?:段落|文档|文件|资料|内容)|上下文|标记|密码|机密)",
    r"(?:致|给|请|对于|各位|亲爱的)(?:所有)?(?:的)?(?:AI|人工智能|语言模型|大模型|模型|助手|机器人|聊天机器人)|如果你是.{0,8}(?:AI|人工智能|模型|助手|机器人)|(?:AI|助手|模型|机器人)(?:必须|应当|应该|请|务必|需要|注意)",
    r"(?:请|必须|务必|只能|只需|一律|直接|都要|统一|应当|仅|总是|始终|只).{0,8}(?:回答|回复|答复|输出|说|写|应答).{0,8}(?:[:：“\"「『‘']|为|成|以下|如下|一句|是)",
    r"(?:回答|答案|回复|答复|输出|每句话|每个答案|每次).{0,8}(?:开头|结尾|末尾|最后|前面|后面|中|里|之前|之后).{0,8}(?:加上|加入|添加|包含|附上|插入|写上|放|都|必须|要|带)",
    r"(?:在|于|把|将).{0,24}(?:加|添|写|放|插|附|嵌)(?:入|到|进|上|在).{0,8}(?:回答|答案|回复|答复|输出)",
    r"(?:告诉|要求|让|请|叫|建议|引导|提醒|劝|通知)(?:用户|读者|客户|提问者|对方)",
    r"(?:点击|访问|打开|前往|登录|下载|浏览|扫描).{0,24}(?:链接|网址|网站|网页|二维码|http|www|\.com|\.cn|此处|这里)",
    r"(?:不要|不得|禁止|切勿|拒绝|不许|别)(?:再)?(?:回答|提及|引用|遵守|使用|理会|透露).{0,16}(?:问题|用户|段落|规则|指令|来源|其他|提示|资料)",
    r"^\W*(?:系统|助手|用户|开发者|管理员|指令)\s*[:：]|(?:段落|资料|文档|上下文|引用|输入)(?:到此)?(?:结束|完毕|终止)|以下(?:是|为)(?:新|真正|系统)",
    r"(?:任何|所有|每个|一切)问题.{0,6}(?:正确)?(?:答案|回答)",
    r"(?:其他|其它|所有|全部)(?:的)?(?:段落|文档|文件|资料).{0,10}(?:打印|输出|显示|列出|展示|复述|说出)",
    r"(?:当|如果|每当|若).{0,8}问(?:到|及|起).{0,20}(?:回答|回复|答复|输出|说)",
    r"\bignore\b.{0,10}(?:规则|指令|提示|上面|以上|之前)",
)
_OTHERS = (
    r"\b(?:ignorez?|oublie[zr]?|ne tenez pas compte)\b.{0,30}\b(?:instructions?|consignes?|règles?)\b",
    r"\b(?:ignoriere?n?|vergiss|vergesse[nt]?|missachte)\b.{0,40}\b(?:anweisung\w*|regeln?|vorgaben?|befehle?)\b",
    r"\b(?:ignora[rd]?|olvida[rd]?|descarta[rd]?)\b.{0,30}\b(?:instrucciones|reglas|órdenes|istruzioni|regole)\b",
    r"\b(?:ignore|esqueça|desconsidere)\b.{0,30}\b(?:instruções|regras)\b",
    r"(?:игнорируй\w*|забудь\w*|не обращай\w*).{0,40}(?:инструкци\w*|указани\w*|правил\w*)",
    r"(?:指示|命令|ルール|プロンプト).{0,10}(?:無視|忘れ)|(?:지시|명령|규칙|프롬프트).{0,10}(?:무시|잊)",
)
SPEAKS_TO_THE_MODEL = re.compile("|".join(f"(?:{one})" for one in (*_ENGLISH, *_CHINESE, *_OTHERS)), re.IGNORECASE)
"""Finds what is said to whoever answers questions."""

MAY_SPEAK_TO_THE_MODEL = re.compile(
    r"(?:say|print|output|repl|respon|answer|writ|repeat|obey|compl|confirm|instruct|ignor|assistant|system|prompt|task)"
    r"|\b(?:you|your|yours|please|user|type|only|must|now|continue)\b|[请你您]|回答|回复|输出|打印|必须|任务|用户|指令|只说|说出"
    r"|\b(?:talk|quot|mention|contain|append|greet|start|begin|end|finish|add|includ|insert|stat|tell|told|reader|editor|note"
    r"|every|always|never|instead|final|translat|copy|emit|return|remember|sign|role|speak|want|ask|requir|shall|should|need"
    r"|ha(?:s|ve) to|let)\w*|[写告署返须应]",
    re.IGNORECASE,
)
"""Finds what may be meant for it, too. Many a harmless sentence says such words: it takes a second sign to leave one out,
that the passage gave orders elsewhere, or that the sentence has nothing to do with the question nor with its passage."""
