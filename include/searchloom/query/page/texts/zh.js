// 页面的全部中文句子；函数的参数是句子所说的内容。
const list = (words) => new Intl.ListFormat("zh", { type: "conjunction" }).format(words);

export default {
  code: "zh-CN",
  name: "中文",
  title: "Searchloom",
  tagline: "您想找什么？",
  invitation: "用自己的话提问，或输入确切的名称。",
  skip: "跳到结果",
  close: "关闭",
  retry: "重试",
  loading: "正在加载……",

  box: { label: "搜索", placeholder: "搜索文档", submit: "搜索", clear: "清空", suggestions: "建议" },
  corpus: "文档库",
  header: { chat: "提问", help: "键盘与帮助", home: "Searchloom 首页", language: "English", switchTo: "Switch to English" },
  theme: { auto: "主题：跟随系统", light: "主题：浅色", dark: "主题：深色" },

  options: {
    label: "选项", mode: "排序方式", engine: "引擎", more: "顺序",
    hybrid: "词语与语义", bm25: "仅词语", vector: "仅语义",
    automatic: "自动", explain: "显示每条结果排在此处的原因",
    personalize: "按我的习惯排序", rerank: "让重排模型细读靠前的结果",
  },
  engines: { opensearch: "OpenSearch", elasticsearch: "Elasticsearch" },

  filters: {
    label: "筛选", mime: "类型", language: "语言", section: "章节", date: "修改日期",
    after: "自", before: "早于", clear: "清除所有筛选", remove: (name) => `移除筛选：${name}`,
    show: (n) => (n ? `筛选 · ${n}` : "筛选"), none: "无章节", more: "显示更多", less: "收起",
  },

  results: {
    label: "结果",
    searching: "正在搜索……",
    shown: (n, more) => (more ? `最佳的 ${n} 篇文档` : `${n} 篇文档`),
    release: (n) => `版本 ${n}`,
    took: (ms) => `${ms} 毫秒`,
    corrected: (text) => `以下是“${text}”的结果。`,
    asTyped: (text) => `按原样搜索“${text}”`,
    more: "更多结果",
    all: "结果已全部显示。",
    moreFailed: "后面的结果没有取到。",
    open: "打开",
    why: "为何在此？",
    nothing: "没有匹配的文档。",
    nothingTips: ["词语少一些，结果会多一些。", "“词语与语义”也能找到不同的说法。", "请检查名称的拼写。"],
    nothingFiltered: "筛选条件可能隐藏了您要找的内容。",
  },
  why: {
    label: "这条结果排在此处的原因",
    bm25: "词语", vector: "语义", rerank: "重排", personal: "个性化", score: "总分",
    share: (percent) => `占总分 ${percent} %`,
    rank: (place) => `第 ${place} 位`,
    timings: "用时",
  },

  reader: {
    label: "文档", untitled: "无标题", from: "来源", language: "语言", type: "类型", section: "章节",
    passage: "段落", similar: "相似文档", noSimilar: "没有找到相似的文档。", ask: "就此提问",
    question: (title) => `《${title}》讲了什么？`,
  },

  home: {
    recommended: "为您推荐",
    reason: (source, said) => ({ personal: "根据您的阅读推荐", airec: "根据您和他人的阅读推荐", popular: "近期阅读较多", similar: "内容相近" })[source] ?? said,
    nothing: "随着您的搜索和阅读，这里会出现推荐内容。",
    failed: "暂时没有推荐；搜索可正常使用。",
  },

  chat: {
    label: "向文档提问", empty: "请提问。回答来自文档，并附上所依据的段落。",
    placeholder: "您的问题", box: "您的问题", send: "发送", stop: "停止", fresh: "新对话",
    you: "您", answer: "回答", understood: (question) => `理解为：${question}`,
    reading: "正在阅读文档……", writing: "正在作答……",
    sources: "回答引用的段落", others: (n) => `另外还读了 ${n} 个段落`,
    citation: (n) => `段落 ${n}`, doubtful: (n) => `段落 ${n}，可能不支持此说法`,
    unsupported: "带下划线的内容没有段落支持，采用前请先核实。",
    unknown: "您有权查看的文档没有回答这个问题。",
    stopped: "已停止。", ready: "回答已完成。",
    open: "打开文档", further: "延伸阅读",
  },

  degraded: {
    sentence: (parts) => `本次未使用${list(parts)}：未能及时响应。`,
    whole: { // 需要单独说明的部分
      llm: "语言模型未能及时响应，以下是段落原文。",
      guard: "其余回答已被拦截：它看起来不像出自文档的回答。",
    },
    parts: {
      vector: "语义排序", rerank: "重排模型", personal: "个性化排序",
      opensearch: "OpenSearch", elasticsearch: "Elasticsearch", airec: "推荐服务",
      embedding: "语义比较", rewrite: "问题改写", memory: "先前的对话",
    },
  },

  release: {
    changed: (number) => `版本 ${number} 已上线；当前结果来自之前的版本。`,
    again: "重新搜索",
  },

  errors: {
    heading: "操作未成功",
    offline: "服务没有响应。它在运行吗？网络是否已连接？",
    busy: (seconds) => `服务繁忙，请在 ${seconds} 秒后重试。`,
    unavailable: "搜索引擎暂时没有响应。",
    reference: (id) => `求助时请提供编号：${id}`,
    noCorpora: "还没有可搜索的内容：首次加载仍在进行，本页会自动刷新。",
  },

  signin: {
    heading: "登录", explain: "搜索需要令牌。", hint: "在运行 Searchloom 的机器上，用此命令获取：",
    label: "令牌", placeholder: "粘贴令牌", submit: "使用", expired: "此令牌无效或已过期。",
  },

  help: {
    heading: "键盘", shortcuts: "启用单键快捷方式",
    keys: [
      ["/", "转到搜索框"],
      ["↓ ↑", "在建议和结果之间移动"],
      ["Enter", "搜索，或打开结果"],
      ["Esc", "关闭已打开的内容，再按回到搜索框"],
      ["c", "向文档提问"],
      ["e", "显示或隐藏排序原因"],
      ["?", "显示此帮助"],
    ],
    words: "引号中的“确切词语”将按原样搜索。",
  },
};
